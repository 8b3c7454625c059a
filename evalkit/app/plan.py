"""What a run would ask, cost and be able to decide, before anything is sent."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.analysis.forecast import (
    DISCORDANCE,
    UNKNOWN,
    Prospect,
    Range,
    detectable,
    expected,
    prospect,
)
from evalkit.analysis.frames import build_frames
from evalkit.analysis.measures import SCORE, measure_of
from evalkit.analysis.quantities import quantity_of
from evalkit.app.look import load_run
from evalkit.app.plan_judges import AGAIN, is_reserve, questions
from evalkit.engine.limiter import CEILING
from evalkit.errors import EvalkitError, UnknownNameError
from evalkit.pricing.cost import cost_of
from evalkit.store.folder import list_runs, read_manifest
from evalkit.types.effects import Generate
from evalkit.types.gate import WORDS
from evalkit.types.generation import Response, Usage
from evalkit.types.run import PolicyRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from evalkit.app.setup import Setup
    from evalkit.types.gate import Gate, Rule
    from evalkit.types.provider import Endpoint
    from evalkit.types.run import PriceRecord
    from evalkit.types.suite import LoadedSuite

_MOST_BYTES_A_TOKEN = 6.0
"""Of the messages' texts; longer tokens on average were seen in no language."""
_FEWEST_BYTES_A_TOKEN = 2.0
"""Of the whole body, which templates turn into more tokens than the texts have."""

_OTHER_TOKENIZER = 2.0
"""Times as many tokens as its own model counted an answer may have for a judge."""


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """What one endpoint would be asked of one suite. `basis` says what the amounts rest on."""

    suite: str
    endpoint: str
    trials: int
    requests: Range
    input: Range
    output: Range
    usd: Range
    seconds: Range
    basis: str


class SuiteSize(msgspec.Struct, frozen=True, kw_only=True):
    """What a suite's size can show. `detectable` is the smallest paired difference found with 80 % power."""

    suite: str
    samples: int
    epochs: int
    clusters: int
    detectable: float | None
    discordance: float = DISCORDANCE


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is known of a run before its first request.

    `usd` and `seconds` are over all endpoints: dollars added up, and the time of the slowest provider.
    `prospects` has one entry for each rule of a gate and suite.
    """

    shares: tuple[Share, ...]
    sizes: tuple[SuiteSize, ...]
    usd: Range
    seconds: Range
    policy: tuple[PolicyRecord, ...]
    unpriced: tuple[str, ...] = ()
    prospects: tuple[Prospect, ...] = ()

    @property
    def hopeless(self) -> tuple[Prospect, ...]:
        """Rules that no outcome of this run can satisfy."""
        return tuple(p for p in self.prospects if p.possible is False)


def forecast(
    setup: Setup, *, results: Path, concurrency: int | None = None, gate: Gate | None = None
) -> Forecast:
    """What a plan would take, from earlier runs of its suites where there are any, else from bounds.

    Args:
        setup: A plan that may start.
        results: Where earlier runs are.
        concurrency: The user's bound on requests at once.
        gate: Rules whose chance of being decided is wanted.

    Raises:
        UnknownNameError: a rule names a suite that is not planned.
    """
    past = _past(setup, results)
    shares = tuple(
        _share(setup, loaded, endpoint, past, concurrency)
        for loaded in setup.plan.suites
        for endpoint in setup.plan.endpoints
    ) + tuple(_judged(setup, loaded, judge) for loaded, judge in _judges(setup))
    by_provider: dict[str, Range] = {}
    for share in shares:
        provider = share.endpoint.partition(":")[0]
        by_provider[provider] = by_provider.get(provider, _NOTHING).plus(share.seconds)
    return Forecast(
        shares=shares,
        sizes=tuple(_size(setup, loaded) for loaded in setup.plan.suites),
        usd=_total([share.usd for share in shares]),
        seconds=_slowest(list(by_provider.values())),
        policy=setup.policy,
        unpriced=tuple(record.endpoint for record in setup.prices if record.price is None),
        prospects=tuple(_prospects(setup, gate)) if gate is not None else (),
    )


_NOTHING = Range(low=0.0, high=0.0, value=0.0)


def _total(parts: Sequence[Range]) -> Range:
    whole = _NOTHING
    for part in parts:
        whole = whole.plus(part)
    return whole


def _slowest(parts: Sequence[Range]) -> Range:
    sides = {}
    for name in ("low", "high", "value"):
        known = [getattr(part, name) for part in parts]
        sides[name] = None if None in known or not known else max(known)
    return Range(**sides)


class _Past(msgspec.Struct, frozen=True):
    """Trials of an earlier run, one row each, and its name."""

    run: str
    trials: Any


def _past(setup: Setup, results: Path) -> dict[str, _Past]:
    """The latest finished run of each suite, by suite id; runs that cannot be read are passed over."""
    wanted = {loaded.suite.id for loaded in setup.plan.suites}
    found: dict[str, _Past] = {}
    for folder in reversed(list_runs(results)):
        try:
            manifest = read_manifest(folder)
            fresh = {record.suite.id for record in manifest.suites} & (wanted - set(found))
            if not fresh or manifest.status == "running":
                continue
            trials = build_frames([load_run(folder)]).trials
        except EvalkitError:
            continue
        answered = trials[trials["answered"] & ~trials["reused"]]
        for suite in fresh:
            own = answered[answered["suite"] == suite]
            if len(own):
                found[suite] = _Past(manifest.run, own)
        if len(found) == len(wanted):
            break
    return found


def _share(
    setup: Setup, loaded: LoadedSuite, endpoint: Endpoint, past: dict[str, _Past], concurrency: int | None
) -> Share:
    samples = setup.plan.samples_of(loaded)
    trials = len(samples) * setup.plan.epochs_of(loaded)
    price = next((p for p in setup.prices if p.endpoint == endpoint.id), None)
    known = past.get(loaded.suite.id)
    if known is None:
        return _bounded(setup, loaded, endpoint, price)
    same = known.trials[known.trials["subject"] == endpoint.id]
    rows, whose = (same, endpoint.id) if len(same) else (known.trials, "other endpoints")
    groups = rows["cluster"].tolist()

    def amount(column: str) -> Range:
        values = rows[column].dropna()
        return expected(values.tolist(), rows.loc[values.index, "cluster"].tolist(), trials)

    tokens_in, tokens_out = amount("input"), amount("output")
    usd = amount("usd") if len(same) else _priced(tokens_in, tokens_out, trials, price)
    at_once = min(endpoint.provider.limits.concurrency or CEILING, concurrency or CEILING)
    seconds = amount("total_s").times(1 / min(at_once, max(trials, 1))) if len(same) else UNKNOWN
    return Share(
        suite=loaded.suite.id,
        endpoint=endpoint.id,
        trials=trials,
        requests=expected(rows["turns"].tolist(), groups, trials),
        input=tokens_in,
        output=tokens_out,
        usd=usd,
        seconds=seconds,
        basis=f"{len(rows)} answered trials of {whose} in run {known.run}",
    )


def _bounded(setup: Setup, loaded: LoadedSuite, endpoint: Endpoint, price: PriceRecord | None) -> Share:
    """Bounds from the first request of each sample; of later turns nothing is known without a run."""
    texts, bodies, cap, more = 0, [], 0, False
    for sample in setup.plan.samples_of(loaded):
        work = setup.solvers[loaded.suite.id].solve(sample, loaded.suite)
        effect = next(work, None)
        work.close()
        if isinstance(effect, Generate):
            adapter = setup.adapters[endpoint.provider.adapter]
            bodies.append(len(adapter.encode(effect.request, endpoint, stream=True).body))
            texts += sum(len((message.content or "").encode()) for message in effect.request.messages)
            cap = max(cap, effect.request.settings.max_tokens or 0)
            more = more or bool(effect.request.tools)
    epochs = setup.plan.epochs_of(loaded)
    trials = len(bodies) * epochs
    fewest, most = texts * epochs / _MOST_BYTES_A_TOKEN, sum(bodies) * epochs / _FEWEST_BYTES_A_TOKEN
    single = loaded.suite.solver.name == "answer" and not more
    tokens_in = Range(low=fewest, high=most if single else None)
    tokens_out = Range(low=0.0, high=float(cap * trials) if single and cap else None)
    return Share(
        suite=loaded.suite.id,
        endpoint=endpoint.id,
        trials=trials,
        requests=Range(low=float(trials), high=float(trials) if single else None),
        input=tokens_in,
        output=tokens_out,
        usd=_priced(tokens_in, tokens_out, trials, price),
        seconds=UNKNOWN,
        basis="bounds: no earlier run of this suite",
    )


def _judges(setup: Setup) -> Iterator[tuple[LoadedSuite, Endpoint]]:
    """Every suite with each endpoint that judges it."""
    for loaded in setup.plan.suites:
        names = {name for scorer in setup.scorers[loaded.suite.id] for name in getattr(scorer, "judges", ())}
        yield from ((loaded, setup.judges[name]) for name in sorted(names))


def _judged(setup: Setup, loaded: LoadedSuite, judge: Endpoint) -> Share:
    """Bounds of what one judge is asked: from no answer that arrives, to all and each of them asked twice."""
    asked, spare = list(questions(setup, loaded, judge)), is_reserve(setup, loaded, judge)
    answers = setup.plan.epochs_of(loaded) * len(setup.plan.endpoints)
    trials = len(asked) * answers
    again = AGAIN * trials
    longest = loaded.suite.generation.max_tokens
    body = sum(size for size, _ in asked) * answers * AGAIN / _FEWEST_BYTES_A_TOKEN
    answer = None if longest is None else again * longest * _OTHER_TOKENIZER
    tokens_in = Range(low=0.0, high=None if answer is None else body + answer)
    tokens_out = Range(low=0.0, high=float(sum(most for _, most in asked) * answers * AGAIN))
    price = next((p for p in setup.prices if p.endpoint == judge.id), None)
    return Share(
        suite=loaded.suite.id,
        endpoint=judge.id,
        trials=trials,
        requests=Range(low=0.0, high=float(again)),
        input=tokens_in,
        output=tokens_out,
        usd=_priced(tokens_in, tokens_out, trials, price),
        seconds=UNKNOWN,
        basis=f"bounds: {'judges where others cannot' if spare else 'judges what arrives'}",
    )


def _priced(tokens_in: Range, tokens_out: Range, trials: int, price: PriceRecord | None) -> Range:
    """Dollars of amounts of tokens, at the price of a trial of mean size now."""

    def dollars(name: str) -> float | None:
        amounts = getattr(tokens_in, name), getattr(tokens_out, name)
        if None in amounts or not trials:
            return None
        usage = Usage(input=round(amounts[0] / trials), output=round(amounts[1] / trials))
        cost = cost_of(Response(usage=usage), price, time.time())
        return None if cost is None else cost.usd * trials

    return Range(low=dollars("low"), high=dollars("high"), value=dollars("value"))


def _size(setup: Setup, loaded: LoadedSuite) -> SuiteSize:
    samples = setup.plan.samples_of(loaded)
    clusters = len({sample.cluster or sample.id for sample in samples})
    return SuiteSize(
        suite=loaded.suite.id,
        samples=len(samples),
        epochs=setup.plan.epochs_of(loaded),
        clusters=clusters,
        detectable=detectable(clusters),
    )


def _prospects(setup: Setup, gate: Gate) -> Iterator[Prospect]:
    planned = {loaded.suite.id: loaded for loaded in setup.plan.suites}
    for rule in gate.rules:
        if rule.metric in WORDS:
            continue
        if rule.suite is not None and rule.suite not in planned:
            raise UnknownNameError("suite", rule.suite, planned, f"The rule {rule.title!r} names it.")
        measure = measure_of(rule.metric)
        apart = measure is None or measure.by_suite
        wholes = (
            [[planned[rule.suite]]]
            if rule.suite
            else [[p] for p in planned.values()]
            if apart
            else [list(planned.values())]
        )
        for loaded in wholes:
            found = _prospect(setup, gate, rule, loaded)
            if found is not None:
                yield found


def _prospect(setup: Setup, gate: Gate, rule: Rule, suites: Sequence[LoadedSuite]) -> Prospect | None:
    """The prospect of a rule in one suite or over several; None if they cannot have its measure."""
    first = suites[0].suite
    metrics = [metric for scorer in setup.scorers[first.id] for metric in scorer.metrics]
    name = rule.metric.partition(":")[2] or first.primary
    metric = next((m for m in metrics if m.name == name), None)
    quantity = quantity_of(rule.metric, metric)
    if quantity is None or (rule.metric.startswith(SCORE) and metric is None):
        return None
    groups = [
        f"{loaded.suite.id}/{sample.cluster or sample.id}"
        for loaded in suites
        for sample in setup.plan.samples_of(loaded)
        if rule.tag is None or rule.tag in sample.tags
        for _ in range(setup.plan.epochs_of(loaded))
    ]
    found = prospect(rule, gate, groups, is_share=quantity.kind == "share")
    title = rule.title if rule.suite or len(suites) > 1 else f"{rule.title}, suite {first.id}"
    return msgspec.structs.replace(found, title=title)
