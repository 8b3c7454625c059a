"""Other scorers for a recorded run: those of a suite that has the same samples, or single ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from evalkit import plugins
from evalkit.app.setup import FLOOR, scorers_of
from evalkit.catalog.suites import load_suite
from evalkit.errors import UsageError
from evalkit.scorers.recorded import Recorded
from evalkit.store.journal import read_scores
from evalkit.types.suite import Plugin

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from evalkit.app.setup import Setup
    from evalkit.types.chat import Message
    from evalkit.types.score import ScoreRow
    from evalkit.types.suite import LoadedSuite, Sample

_OF_SUITE = ("version", "title", "description", "licence", "source", "primary", "family", "sensitivity")


class Rescoring(msgspec.Struct, frozen=True, kw_only=True):
    """What to score with, beside or instead of what the run recorded.

    `suite` gives its scorers, targets and headline to the run's samples of the same ids and questions;
    `scorers` are names, or `name={options as JSON}`, added to every suite.
    """

    suite: str | None = None
    scorers: tuple[str, ...] = ()


def changed(setup: Setup, wanted: Rescoring) -> Setup:
    """The setup of a recorded run with other scorers.

    Raises:
        UsageError: the suite has other samples or questions, or a scorer would have to ask a judge.
        UnknownNameError: there is no such suite or scorer.
    """
    suites = setup.plan.suites
    if wanted.suite is not None:
        suites = _with_suite(suites, load_suite(wanted.suite))
    if wanted.scorers:
        suites = _with_scorers(suites, tuple(_plugin(text) for text in wanted.scorers))
    suites = tuple(_apart(loaded) for loaded in suites)
    scorers = {loaded.suite.id: scorers_of(loaded) for loaded in suites}
    for group in scorers.values():
        for scorer in group:
            missing = [name for name in getattr(scorer, "judges", ()) if name not in setup.judges]
            if missing:
                raise UsageError(
                    f"The scorer {scorer.name!r} asks {', '.join(missing)}, and scoring a recorded run asks "
                    "nobody; run the suite with its judge instead, or name another --scorer."
                )
    return msgspec.structs.replace(
        setup, plan=msgspec.structs.replace(setup.plan, suites=suites), scorers=scorers
    )


def kept_rows(folder: Path, setup: Setup) -> Iterator[ScoreRow]:
    """What another tool scored: no scorer of ours can make these rows again."""
    theirs = {
        (suite, s.name): {metric.name for metric in s.metrics}
        for suite, group in setup.scorers.items()
        for s in group
        if isinstance(s, Recorded)
    }
    if not theirs:
        return
    for row in read_scores(folder):
        known = theirs.get((row.trial.suite, row.scorer))
        if known is None:
            continue
        said = row.score or row.unscored
        if said is not None and said.metric not in known:
            said = msgspec.structs.replace(said, metric=_renamed(said.metric, row.scorer))
            row = msgspec.structs.replace(row, **{"score" if row.score else "unscored": said})
        yield row


def _with_suite(suites: Sequence[LoadedSuite], other: LoadedSuite) -> tuple[LoadedSuite, ...]:
    known = {sample.id: sample for sample in other.samples}
    made = [_joined(own, other, known) if _shares(own, known) else own for own in suites]
    if all(new is old for new, old in zip(made, suites, strict=True)):
        raise UsageError(
            f"Suite {other.suite.id!r} has none of the run's samples (the first is "
            f"{suites[0].samples[0].id!r}); name the suite that was asked, or a --scorer."
        )
    return tuple(made)


def _shares(own: LoadedSuite, known: dict[str, Sample]) -> bool:
    return any(sample.id in known for sample in own.samples)


def _joined(own: LoadedSuite, other: LoadedSuite, known: dict[str, Sample]) -> LoadedSuite:
    """A recorded suite with another's scorers and targets. Both must have asked the same."""
    foreign = [sample.id for sample in own.samples if sample.id not in known]
    if foreign:
        raise UsageError(
            f"{len(foreign)} of {len(own.samples)} samples of {own.suite.id!r} are not in suite "
            f"{other.suite.id!r} (the first is {foreign[0]!r}); import those apart."
        )
    differing = [sample.id for sample in own.samples if not _same_question(sample, known[sample.id])]
    if differing:
        raise UsageError(
            f"{len(differing)} of {len(own.samples)} samples of {own.suite.id!r} asked something else than "
            f"suite {other.suite.id!r} does (the first is {differing[0]!r}), so its scorers do not apply."
        )
    changes = {name: getattr(other.suite, name) for name in _OF_SUITE}
    scorers = (*(p for p in own.suite.scorers if p.name == "recorded"), *other.suite.scorers)
    return msgspec.structs.replace(
        own,
        suite=msgspec.structs.replace(own.suite, scorers=scorers, **changes),
        samples=tuple(known[sample.id] for sample in own.samples),
        hash=other.hash if own.suite.id == other.suite.id else own.hash,
    )


def _same_question(own: Sample, other: Sample) -> bool:
    """Whether the last thing that a user says is the same. A recording without its prompt is believed."""
    mine = _question(own.input)
    return not mine or mine == _question(other.input)


def _question(asked: str | tuple[Message, ...]) -> str:
    if isinstance(asked, str):
        return asked.strip()
    users = [message.content or "" for message in asked if message.role == "user"]
    return users[-1].strip() if users else ""


def _with_scorers(suites: Sequence[LoadedSuite], added: tuple[Plugin, ...]) -> tuple[LoadedSuite, ...]:
    """Every suite with more scorers; the first one's first metric becomes the headline."""
    headline = plugins.scorer(added[0]).metrics[0].name
    names = {plugin.name for plugin in added}
    return tuple(
        msgspec.structs.replace(
            own,
            suite=msgspec.structs.replace(
                own.suite,
                scorers=(*(p for p in own.suite.scorers if p.name not in names), *added),
                primary=headline,
            ),
        )
        for own in suites
    )


def _apart(own: LoadedSuite) -> LoadedSuite:
    """A suite in which no recorded metric has the name of one of ours: both are shown, neither replaced."""
    theirs = next((plugin for plugin in own.suite.scorers if plugin.name == "recorded"), None)
    if theirs is None:
        return own
    mine = [plugin for plugin in own.suite.scorers if plugin is not theirs]
    found = [*(plugins.scorer(plugin) for plugin in mine), plugins.scorer(Plugin(name=FLOOR))]
    taken = {metric.name for scorer in found for metric in scorer.metrics}
    source = str(theirs.options["source"])
    metrics = [
        {**metric, "name": _renamed(metric["name"], source)} if metric["name"] in taken else metric
        for metric in theirs.options["metrics"]
    ]
    own_metrics = {metric.name for scorer in found[: len(mine)] for metric in scorer.metrics}
    primary = own.suite.primary
    if primary in taken and primary not in own_metrics:
        primary = _renamed(primary, source)
    plugin = Plugin(name="recorded", options={**theirs.options, "metrics": metrics})
    suite = msgspec.structs.replace(own.suite, scorers=(plugin, *mine), primary=primary)
    return msgspec.structs.replace(own, suite=suite)


def _renamed(metric: str, source: str) -> str:
    return f"{metric} ({source})"


def _plugin(text: str) -> Plugin:
    name, equals, options = text.partition("=")
    if not equals:
        return Plugin(name=name)
    try:
        return Plugin(name=name, options=msgspec.json.decode(options, type=dict))
    except msgspec.DecodeError as error:
        raise UsageError(f"--scorer {text!r}: expected name={{JSON object}} ({error}).") from None
