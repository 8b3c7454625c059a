"""Who may judge whom; and panels of judges for the probes of a run, recorded or about to start."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from evalkit.analysis.probes.origins import maker_of
from evalkit.analysis.probes.rows import RULES
from evalkit.catalog.providers import endpoint_named
from evalkit.errors import UsageError
from evalkit.scorers.probe_judge import METRIC, PANEL
from evalkit.types.suite import Plugin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalkit.ports.core import Scorer, Solver
    from evalkit.types.provider import Endpoint
    from evalkit.types.suite import LoadedSuite


_FIRST_WORD = re.compile(r"[/.:]")


class Panel(msgspec.Struct, frozen=True, kw_only=True):
    """Judges for the probes, `provider:model`, and those who are asked where one of them cannot judge."""

    judges: tuple[str, ...] = ()
    reserves: tuple[str, ...] = ()


def roles_of(solvers: Mapping[str, Solver], scorers: Mapping[str, Sequence[Scorer]]) -> dict[str, str]:
    """Names of endpoints that are asked beside the subjects, with what for: to judge, or to be the user."""
    users = {name: "user" for solver in solvers.values() for name in getattr(solver, "users", ())}
    judges = {
        name: "judge"
        for group in scorers.values()
        for scorer in group
        for name in getattr(scorer, "judges", ())
    }
    return users | judges


def with_panel(suites: Sequence[LoadedSuite], panel: Panel) -> tuple[LoadedSuite, ...]:
    """Suites of probes with the panel as a scorer, in place of an earlier one; other suites as they are.

    Raises:
        UsageError: no suite is one of probes, or an endpoint is unknown.
    """
    if not panel.judges:
        if panel.reserves:
            raise UsageError("--reserve needs judges for whom to stand in; give two --judge or more.")
        return tuple(suites)
    plugin = Plugin(name=METRIC, options=_options(panel))
    made = tuple(_joined(loaded, plugin) if is_probes(loaded) else loaded for loaded in suites)
    if all(new is old for new, old in zip(made, suites, strict=True)):
        raise UsageError(
            f"{', '.join(loaded.suite.id for loaded in suites)}: no suite of probes, so there is nothing to "
            f"judge; a suite of probes has the scorer {RULES!r}."
        )
    return made


def is_probes(loaded: LoadedSuite) -> bool:
    """Whether a suite's answers have the classes of probes."""
    return any(plugin.name == RULES for plugin in loaded.suite.scorers)


def _joined(loaded: LoadedSuite, plugin: Plugin) -> LoadedSuite:
    kept = (own for own in loaded.suite.scorers if own.name != plugin.name)
    suite = msgspec.structs.replace(loaded.suite, scorers=(*kept, plugin))
    return msgspec.structs.replace(loaded, suite=suite)


def _options(panel: Panel) -> dict[str, list[str]]:
    names = dict.fromkeys((*panel.judges, *panel.reserves))
    options = {"judges": list(dict.fromkeys(panel.judges))}
    reserves = [name for name in dict.fromkeys(panel.reserves) if name not in panel.judges]
    plain = [name for name in names if not _keeps_schemas(endpoint_named(name))]
    if reserves:
        options["reserves"] = reserves
    if plain:
        options["plain"] = plain
    return options


def _keeps_schemas(endpoint: Endpoint) -> bool:
    """Whether a reply can be held to a schema there; a judge that cannot is told the form in words."""
    return endpoint.provider.adapter == "openai_chat" and "response_format" not in endpoint.quirks.unsupported


def require_fit(scorers: Mapping[str, Sequence[Scorer]], judges: Mapping[str, Endpoint]) -> None:
    """A panel has two judges or more, each of another maker, and of two countries or more.

    Raises:
        UsageError: it has not.
    """
    for scorer in (scorer for group in scorers.values() for scorer in group):
        panel = getattr(scorer, "panel", None)
        if panel is not None:
            _require_panel([judges[name] for name in panel])


def _require_panel(panel: Sequence[Endpoint]) -> None:
    if len(panel) < PANEL:
        raise UsageError(f"A panel has {PANEL} judges or more, this one has {len(panel)}; add a --judge.")
    makers: dict[str, str] = {}
    for judge in panel:
        maker = maker_name(judge) or judge.id
        if maker in makers:
            raise UsageError(
                f"{judge.id} and {makers[maker]} are both by {maker}: their errors would be alike. A "
                "panel takes each judge from another maker; name one as --reserve instead."
            )
        makers[maker] = judge.id
    seats = {judge.id: seat_of(judge) for judge in panel}
    if len({seat for seat in seats.values() if seat is not None}) < PANEL:
        told = ", ".join(f"{name} ({seat or 'seat of its maker unknown'})" for name, seat in seats.items())
        raise UsageError(f"The panel {told} needs judges from two countries; exchange one of them.")


def require_foreign(judges: Sequence[Endpoint], subjects: Sequence[Endpoint]) -> None:
    """No maker's model judges that maker's model: it would prefer its own manner.

    Raises:
        UsageError: one would, or nobody knows whose model a judge is.
    """
    judged = {maker: endpoint.id for endpoint in subjects if (maker := maker_name(endpoint)) is not None}
    for judge in judges:
        maker = maker_name(judge)
        if maker is None:
            raise UsageError(
                f"{judge.id}: whose model this is, is not known, so it cannot be told whom it may judge; add "
                f"`weights` or `maker` to the model in providers/{judge.provider.id}.yaml."
            )
        if maker in judged:
            raise UsageError(
                f"{judge.id} would judge {judged[maker]}, a model of the same maker ({maker}); name a "
                "judge of another maker."
            )


def maker_name(endpoint: Endpoint) -> str | None:
    """Who made the model, under one name wherever it is served; None if nothing tells."""
    named = _named_maker(endpoint)
    maker = maker_of(named) if named is not None else None
    return maker.name if maker is not None else named and named.casefold()


def seat_of(endpoint: Endpoint) -> str | None:
    """Country of the maker's seat. A lab that serves its own models is their maker."""
    named = _named_maker(endpoint)
    maker = maker_of(named) if named is not None else None
    if maker is not None:
        return maker.seat
    operator = endpoint.provider.operator
    return (operator.parent_country or operator.country) if endpoint.provider.kind == "lab" else None


def _named_maker(endpoint: Endpoint) -> str | None:
    """The owner of its weights, else what is declared, else what the model's name or a lab's tells."""
    declared = endpoint.declaration
    if declared.weights is not None:
        return declared.weights.repo.partition("/")[0]
    if declared.maker is not None or endpoint.provider.kind == "lab":
        return declared.maker or endpoint.provider.id
    first = _FIRST_WORD.split(endpoint.model)[0]
    return first if "/" in endpoint.model or maker_of(first) is not None else None
