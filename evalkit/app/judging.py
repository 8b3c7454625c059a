"""Has a panel of judges class the answers to probes that a run holds; its subjects are not asked again."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from evalkit import plugins
from evalkit.analysis.frames import latest_scores
from evalkit.app.allowing import checked_policy
from evalkit.app.judges import Panel, asked_in, is_probes, require_fit, require_foreign, roles_of, with_panel
from evalkit.app.loop import HERE, Transports, opener, run_loop, work
from evalkit.app.run import Conduct, Wires, require_prices, workers_of
from evalkit.app.setup import Setup, reopen, require_keys
from evalkit.catalog.prices import load_prices
from evalkit.catalog.providers import endpoint_named
from evalkit.engine.budget import Bounds, Budget
from evalkit.engine.limiter import CEILING
from evalkit.engine.run import Tally
from evalkit.errors import InfrastructureError, UsageError
from evalkit.pricing.resolve import price_record
from evalkit.scorers.probe_judge import METRIC
from evalkit.store.folder import RunWriter, read_manifest
from evalkit.store.journal import read_generations, read_rows, read_scores
from evalkit.types.generation import Outcome
from evalkit.types.score import ScoreRow
from evalkit.types.vote import votes_of
from evalkit.wire.keys import secrets_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from evalkit.ports.core import Progress, Transport
    from evalkit.types.provider import Endpoint
    from evalkit.types.run import Manifest, SuiteRecord


_DRAFT = "scores.new.jsonl"
_FAILURES = frozenset(outcome.value for outcome in Outcome if outcome.is_failure)


class JudgeVotes(msgspec.Struct, frozen=True, kw_only=True):
    """How often one judge gave a class, and how often it did not, by why."""

    judge: str
    voted: int
    missing: dict[str, int]


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What came of judging a run: `classed` answers have a class, `without_panel` too few votes for one."""

    run: str
    folder: str
    tally: Tally
    classed: int
    without_panel: int
    judges: tuple[JudgeVotes, ...]


class _JudgesOnly:
    """Transports for judges; subjects have none, so that their answers can only be looked up."""

    def __init__(self, transports: Transports, judges: frozenset[str]) -> None:
        self._transports = transports
        self._judges = judges

    def __call__(self, endpoint: Endpoint) -> Transport | None:
        return self._transports(endpoint) if endpoint.id in self._judges else None


def judge_run(
    folder: Path, panel: Panel, conduct: Conduct, progress: Progress, prices: str | None = None
) -> Judged:
    """Ask a panel about every delivered answer to a run's probes; what was asked before is not asked anew.

    The new classes take the place of an earlier panel's only when all are there and judges' hosts did their
    work; any other call keeps what judges answered, and the same call goes on from it.

    Args:
        folder: The run's.
        panel: Who judges; without judges, those that the run has already.
        conduct: Concurrency, bounds on what judging may cost in all, policy, network client.
        progress: Who watches.
        prices: The user's price file.

    Raises:
        UsageError: the run has no probes, the panel is not fit, a key is missing, or a judge whose cost is
            bounded has no price.
        PolicyError: the policy forbids a judge to see the suite.
        StoreError: the folder holds no run, or another process writes to it.
        InfrastructureError: judges failed at their hosts on more answers than is allowed.
    """
    setup = _with_panel(reopen(folder), panel, conduct.policy, prices)
    require_prices(setup, conduct.budget)
    names = frozenset(setup.judges)
    secrets = secrets_of(judge.provider for judge in setup.judges.values())
    with RunWriter(folder, _DRAFT, secrets) as writer:
        # An open run has no checksums: a process that is killed now leaves one that can be read.
        writer.write_manifest(msgspec.structs.replace(read_manifest(folder), checksums={}))
        for row in _others(folder):
            writer.journal.append_scores((row,))
        transports = Transports(conduct.transport)
        wires = Wires(_JudgesOnly(transports, names), _budget(folder, names, conduct.budget))
        workers = workers_of(setup, conduct, writer, progress, wires)
        workers = msgspec.structs.replace(workers, concurrency=_lanes(setup, conduct))
        opening = opener(setup, executor=HERE, sandbox="auto", secrets=secrets, notice=progress.noticed)
        tally = run_loop(work(setup.plan, workers, opening, transports, conduct.budget.minutes))
        manifest = _with_prices(read_manifest(folder), setup)
        writer.journal.sync()
        failed, judged = _failures(folder)
        delivered = failed <= conduct.max_failed * judged
        if tally.stopped is None and delivered:
            writer.adopt_scores()
            manifest = _with_classes(manifest, setup)
        writer.write_manifest(msgspec.structs.replace(manifest, checksums=writer.checksums()))
    if tally.stopped is None and not delivered:
        raise InfrastructureError(
            f"{folder}: {failed} of {judged} answers have no panel because judges failed at their hosts, "
            f"more than the {conduct.max_failed:.0%} that are allowed; the classes of before still "
            "stand, and the same command asks exactly those again."
        )
    return _counted(folder, tally)


def _with_panel(setup: Setup, panel: Panel, policy: str | None, prices: str | None) -> Setup:
    """The suites of probes of a recorded run, to be scored by a panel and nothing else."""
    suites = tuple(loaded for loaded in setup.plan.suites if is_probes(loaded))
    suites = with_panel(suites or setup.plan.suites, panel)
    scorers = {
        loaded.suite.id: [plugins.scorer(p) for p in loaded.suite.scorers if p.name == METRIC]
        for loaded in suites
    }
    roles = roles_of({}, scorers)
    judges = {name: endpoint_named(name) for name in asked_in(roles)}
    if not judges:
        raise UsageError(
            "No judges are named, and the run has none; give two --judge provider:model or more."
        )
    require_foreign(tuple(judges.values()), setup.plan.endpoints)
    require_fit(scorers, judges)
    file, records = checked_policy(policy, suites, (), roles, judges)
    require_keys(judges.values())
    own = load_prices(prices)
    everyone = (*setup.plan.endpoints, *judges.values())
    return msgspec.structs.replace(
        setup,
        plan=msgspec.structs.replace(setup.plan, suites=suites),
        scorers=scorers,
        judges=judges,
        adapters={e.provider.adapter: plugins.adapter(e.provider.adapter) for e in everyone},
        prices=tuple(price_record(judge, own) for judge in judges.values()),
        policy=records,
        policy_file=file,
    )


def _failures(folder: Path) -> tuple[int, int]:
    """Answers without a panel because a judge's host failed, and all that judges were asked about."""
    failed = judged = 0
    for _, row in read_rows(folder / _DRAFT, ScoreRow):
        said = row.score or row.unscored
        votes = votes_of(said) if row.scorer == METRIC and said is not None else ()
        judged += bool(votes)
        failed += row.unscored is not None and any(vote.missing in _FAILURES for vote in votes)
    return failed, judged


def _others(folder: Path) -> Iterator[ScoreRow]:
    """The run's scores by anything else than a panel."""
    yield from (row for row in read_scores(folder) if row.scorer != METRIC)


def _lanes(setup: Setup, conduct: Conduct) -> dict[str, int]:
    """Workers of each lane: as many as the judges' hosts take, for the subjects' own are not asked."""
    most = max(judge.provider.limits.concurrency or CEILING for judge in setup.judges.values())
    return dict.fromkeys(setup.plan.providers(), min(most, conduct.concurrency or most))


def _budget(folder: Path, judges: frozenset[str], bounds: Bounds) -> Budget | None:
    """What judging may still spend, after what it has spent already."""
    if bounds.usd is None and bounds.requests is None:
        return None
    asked = [g for g in read_generations(folder) if g.endpoint in judges and g.source is None]
    usd = sum(g.cost.usd for g in asked if g.cost is not None)
    return Budget(bounds, usd, sum(len(g.attempts) for g in asked))


def _with_prices(manifest: Manifest, setup: Setup) -> Manifest:
    """The manifest with what was asked of whom, whether or not all of it was answered."""
    new = set(setup.judges)
    kept = [record for record in manifest.prices if record.endpoint not in new]
    held = {(record.suite, record.endpoint, record.role) for record in setup.policy}
    allowed = [r for r in manifest.policy if (r.suite, r.endpoint, r.role) not in held]
    judges = [judge for judge in manifest.judges if judge.id not in new]
    return msgspec.structs.replace(
        manifest,
        prices=(*kept, *setup.prices),
        policy=(*allowed, *setup.policy),
        judges=(*judges, *setup.judges.values()),
    )


def _with_classes(manifest: Manifest, setup: Setup) -> Manifest:
    """The manifest with the panel among the scorers of the suites that it judged."""
    judged = {loaded.suite.id: loaded.suite for loaded in setup.plan.suites}

    def joined(record: SuiteRecord) -> SuiteRecord:
        suite = judged.get(record.suite.id)
        if suite is None:
            return record
        metrics = (metric for metric in record.metrics if metric.name != METRIC)
        added = [metric for scorer in setup.scorers[suite.id] for metric in scorer.metrics]
        own = msgspec.structs.replace(record.suite, scorers=suite.scorers)
        return msgspec.structs.replace(record, suite=own, metrics=(*metrics, *added))

    return msgspec.structs.replace(manifest, suites=tuple(joined(record) for record in manifest.suites))


def _counted(folder: Path, tally: Tally) -> Judged:
    rows = [row for (_, metric), row in latest_scores(read_scores(folder)).items() if metric == METRIC]
    voted: Counter[str] = Counter()
    missing: dict[str, Counter[str]] = {}
    for row in rows:
        said = row.score or row.unscored
        for vote in votes_of(said) if said is not None else ():
            voted[vote.judge] += vote.missing is None
            if vote.missing is not None:
                missing.setdefault(vote.judge, Counter())[vote.missing] += 1
    return Judged(
        run=folder.name,
        folder=str(folder),
        tally=tally,
        classed=sum(row.score is not None for row in rows),
        without_panel=sum(row.unscored is not None and row.unscored.reason == "no_panel" for row in rows),
        judges=tuple(
            JudgeVotes(judge=judge, voted=voted[judge], missing=dict(missing.get(judge, {})))
            for judge in sorted({*voted, *missing})
        ),
    )
