"""Who may judge whom; and panels of judges for the probes of a run, recorded or about to start."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.analysis.probes.origins import maker_of, makers_in
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


class Panel(msgspec.Struct, frozen=True, kw_only=True):
    """Judges for the probes, `provider:model`, and those who are asked where one of them cannot judge."""

    judges: tuple[str, ...] = ()
    reserves: tuple[str, ...] = ()


def roles_of(
    solvers: Mapping[str, Solver], scorers: Mapping[str, Sequence[Scorer]]
) -> dict[str, dict[str, str]]:
    """Who is asked beside the subjects of each suite, by its id: names of endpoints, with what for.

    That is to judge, or to be the user. Nobody sees a suite that does not name them.
    """
    return {
        suite: dict.fromkeys(getattr(solvers.get(suite), "users", ()), "user")
        | {name: "judge" for scorer in group for name in getattr(scorer, "judges", ())}
        for suite, group in scorers.items()
    }


def asked_in(roles: Mapping[str, Mapping[str, str]], *wanted: str) -> list[str]:
    """Names of all who are asked in one of the wanted roles, or in any, in whichever suite; each once."""
    pairs = (pair for group in roles.values() for pair in group.items())
    return list(dict.fromkeys(name for name, role in pairs if not wanted or role in wanted))


def with_panel(suites: Sequence[LoadedSuite], panel: Panel) -> tuple[LoadedSuite, ...]:
    """Suites of probes with the panel as a scorer, in place of an earlier one; other suites as they are.

    Of every panel, a suite's own too, it is filled in who made its judges and which of them keep schemas.

    Raises:
        UsageError: no suite is one of probes, or an endpoint is unknown.
    """
    if panel.judges:
        reserves = [name for name in dict.fromkeys(panel.reserves) if name not in panel.judges]
        options = {"judges": list(dict.fromkeys(panel.judges)), "reserves": reserves}
        plugin = Plugin(name=METRIC, options=options)
        made = [_joined(loaded, plugin) if is_probes(loaded) else loaded for loaded in suites]
        if all(new is old for new, old in zip(made, suites, strict=True)):
            raise UsageError(
                f"{', '.join(loaded.suite.id for loaded in suites)}: no suite of probes, so there is nothing "
                f"to judge; a suite of probes has the scorer {RULES!r}."
            )
        suites = made
    elif panel.reserves:
        raise UsageError("--reserve needs judges for whom to stand in; give two --judge or more.")
    return tuple(_settled(loaded) for loaded in suites)


def is_probes(loaded: LoadedSuite) -> bool:
    """Whether a suite's answers have the classes of probes."""
    return any(plugin.name == RULES for plugin in loaded.suite.scorers)


def _joined(loaded: LoadedSuite, plugin: Plugin) -> LoadedSuite:
    kept = (own for own in loaded.suite.scorers if own.name != plugin.name)
    suite = msgspec.structs.replace(loaded.suite, scorers=(*kept, plugin))
    return msgspec.structs.replace(loaded, suite=suite)


def _settled(loaded: LoadedSuite) -> LoadedSuite:
    """The suite with the facts on its panel's endpoints filled in, if it has a panel."""
    for plugin in loaded.suite.scorers:
        if plugin.name == METRIC:
            given = plugin.options
            named = (*given.get("judges", ()), *given.get("reserves", ()))
            known = {name: endpoint_named(name) for name in named}
            facts: dict[str, Any] = {
                "makers": {name: list(makers_of(endpoint)) for name, endpoint in known.items()},
                "seats": {name: seat for name, one in known.items() if (seat := seat_of(one)) is not None},
                "plain": [name for name, endpoint in known.items() if not _keeps_schemas(endpoint)],
            }
            return _joined(loaded, Plugin(name=METRIC, options={**given, **facts}))
    return loaded


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
    for first, second in combinations(panel, 2):
        common = set(makers_of(first)) & set(makers_of(second))
        if common:
            raise UsageError(
                f"{first.id} and {second.id} are both by {min(common)}: their errors would be alike. A panel "
                "takes each judge from another maker; name one as --reserve instead."
            )
    seats = {judge.id: seat_of(judge) for judge in panel}
    if len({seat for seat in seats.values() if seat is not None}) < PANEL:
        told = ", ".join(f"{name} ({seat or 'seat of its maker unknown'})" for name, seat in seats.items())
        raise UsageError(f"The panel {told} needs judges from two countries; exchange one of them.")


def require_foreign(judges: Sequence[Endpoint], subjects: Sequence[Endpoint]) -> None:
    """No maker's model judges that maker's model, nor what is made from it: it would prefer its own manner.

    Raises:
        UsageError: one would, or nobody knows whose model a judge or a subject is.
    """
    if not judges:
        return
    for endpoint in (*judges, *subjects):
        if not makers_of(endpoint):
            raise UsageError(
                f"{endpoint.id}: whose model this is, is not known, so it cannot be told who may judge whom; "
                f"add `weights` or `maker` to the model in providers/{endpoint.provider.id}.yaml. A recorded "
                "run keeps what was declared at its time: import it again, with --endpoint provider:model."
            )
    judged = {maker: endpoint.id for endpoint in subjects for maker in makers_of(endpoint)}
    for judge in judges:
        for maker in makers_of(judge):
            if maker in judged:
                raise UsageError(
                    f"{judge.id} would judge {judged[maker]}, a model of the same maker ({maker}); name a "
                    "judge of another maker."
                )


def makers_of(endpoint: Endpoint) -> tuple[str, ...]:
    """Who made the model, under one name wherever it is served: the owner first, then a derivative's base.

    What is declared counts; else what the names of weights or model tell; else the lab that serves it. Empty
    if nothing tells.
    """
    declared, provider = endpoint.declaration, endpoint.provider
    if declared.maker is not None:
        return (_called(declared.maker),)
    if declared.weights is not None:
        found = tuple(maker.name for maker in makers_in(declared.weights.repo))
        return found or (declared.weights.repo.partition("/")[0].casefold(),)
    named = tuple(maker.name for maker in makers_in(endpoint.model))
    own = (_called(provider.id),) if provider.kind == "lab" else ()
    return tuple(dict.fromkeys((*own, *named)))


def seat_of(endpoint: Endpoint) -> str | None:
    """Country of the seat of the model's first maker. A lab that serves its own models is their maker."""
    for name in makers_of(endpoint)[:1]:
        maker = maker_of(name)
        if maker is not None:
            return maker.seat
    operator = endpoint.provider.operator
    return (operator.parent_country or operator.country) if endpoint.provider.kind == "lab" else None


def _called(name: str) -> str:
    maker = maker_of(name)
    return maker.name if maker is not None else name.casefold()
