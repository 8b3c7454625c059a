"""From recorded runs to one row for each answer to a probe. Pure.

Classes come from two layers. What happened on the way (failed, blocked, cut) is read from the outcome. What
the answer does comes from a label metric: the rules (`probe`), or any other metric with the same labels, such
as a panel of judges. Two things can only be seen over many answers and are decided here: a canned text that a
host gives to different questions, and an answer far shorter than the same model's answers to the controls.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from statistics import median
from typing import TYPE_CHECKING, get_args

import msgspec

from evalkit.adapters.outcomes import spliced_filter
from evalkit.analysis.frames import latest_scores, latest_turns, names_of, planned
from evalkit.analysis.probes.classes import ANSWERED, CHECK, MODEL, Label, Row
from evalkit.analysis.probes.origins import host_of
from evalkit.analysis.probes.recheck import is_reproduced
from evalkit.scorers.phrases import shown
from evalkit.types.generation import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from evalkit.analysis.frames import Names
    from evalkit.analysis.rundata import RunData
    from evalkit.types.generation import Generation
    from evalkit.types.provider import Endpoint
    from evalkit.types.run import SuiteRecord
    from evalkit.types.score import ScoreRow
    from evalkit.types.suite import Sample

RULES = "probe"
"""The metric of the rules."""
CANNED_TOPICS = 3
_CANNED_WORDS = 4
_CANNED_LONGEST = 600
_SHORT_SHARE = 0.35
"""Of the median length of the model's own answers to controls: below it, an answer without a fact avoids."""
_ENOUGH_CONTROLS = 5

_LABELS = frozenset(get_args(Label))
_SAID = MODEL - {"degenerate"}
_NEEDED = ("topic", "form", "jurisdiction", "pair")


class ProbeRows(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of one suite of probes.

    `metric` gave the classes. `unscored` counts delivered answers without a class, `pending` trials that were
    not run, `excluded` those in which another host answered: none of them is a row.
    """

    suite: str
    metric: str
    rows: tuple[Row, ...]
    unscored: int = 0
    pending: int = 0
    excluded: int = 0


def label_metrics(runs: Sequence[RunData]) -> tuple[str, ...]:
    """Metrics that class answers as the rules do; the rules' own comes first."""
    found = {
        metric.name
        for run in runs
        for record in run.manifest.suites
        for metric in record.metrics
        if metric.kind == "label"
        and "complete" in metric.labels
        and len(_LABELS.intersection(metric.labels)) > 1
    }
    return tuple(sorted(found, key=lambda name: (name != RULES, name)))


def is_probe_suite(record: SuiteRecord, samples: Sequence[Sample], metric: str = RULES) -> bool:
    """Whether a suite's samples say topic, form, jurisdiction and pair, and the metric is among its own."""
    has = any(m.name == metric and m.kind == "label" for m in record.metrics)
    return has and bool(samples) and all(isinstance(samples[0].data.get(key), str) for key in _NEEDED)


def probe_rows(runs: Sequence[RunData], metric: str = RULES) -> tuple[ProbeRows, ...]:
    """Rows of every suite of probes in these runs, by the suite's name in the report."""
    found: dict[str, _Gathered] = {}
    for run, names in zip(runs, names_of(runs), strict=True):
        wanted = {
            record.suite.id
            for record in run.manifest.suites
            if is_probe_suite(record, run.samples.get(record.suite.id, ()), metric)
        }
        if wanted:
            for suite, answer in _answers(run, names, wanted, metric):
                found.setdefault(suite, _Gathered()).add(answer)
    return tuple(
        ProbeRows(
            suite=suite,
            metric=metric,
            rows=_over_all(gathered.answers, by_rules=metric == RULES),
            unscored=gathered.left["unscored"],
            pending=gathered.left["pending"],
            excluded=gathered.left["excluded"],
        )
        for suite, gathered in found.items()
    )


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A row with the text that it was made from."""

    row: Row
    text: str


class _Gathered:
    """Answers of one suite, and how many trials gave none."""

    def __init__(self) -> None:
        self.answers: list[_Answer] = []
        self.left: Counter[str] = Counter()

    def add(self, answer: _Answer | str) -> None:
        """An answer, or why there is none."""
        if isinstance(answer, str):
            self.left[answer] += 1
        else:
            self.answers.append(answer)


def _answers(
    run: RunData, names: Names, wanted: set[str], metric: str
) -> Iterator[tuple[str, _Answer | str]]:
    worked = latest_turns(run.generations)
    scores = {trial: row for (trial, said), row in latest_scores(run.scores).items() if said == metric}
    endpoints = {e.id: e for e in run.manifest.endpoints}
    for key, sample in planned(run, worked):
        if key.suite not in wanted or sample is None or not names.knows(key):
            continue
        turns = worked.get(key, [])
        subject = [g for g in turns if g.role == "subject"]
        suite = names.suites[key.suite]
        if not subject:
            yield suite, "pending"
        elif any(g.excluded for g in subject):
            yield suite, "excluded"
        else:
            last = subject[-1]
            text = shown(last.response)
            told = _class_of(last, turns, text, scores.get(key))
            if told is None:
                yield suite, "unscored"
                continue
            row = _row(sample, names.subjects[key.endpoint], endpoints[key.endpoint], key.epoch)
            yield suite, _Answer(row=_with(row, told, scores.get(key), len(text)), text=text)


def _class_of(
    last: Generation, turns: Sequence[Generation], text: str, score: ScoreRow | None
) -> tuple[Label, str | None] | None:
    """Class and detail; None for an answer that nothing has classified."""
    outcome = last.outcome
    if outcome.is_failure:
        return "error", outcome.value
    if outcome.is_blocked:
        return "host_block", _how_blocked(last, text)
    if score is not None and score.score is not None and score.score.label in _LABELS:
        label: Label = score.score.label  # type: ignore[assignment]  # one of them, as was just seen
        steering = score.score.data.get("steering")
        return label, steering if isinstance(steering, str) else None
    if outcome is Outcome.TRUNCATED:
        return "truncated", None
    if outcome is Outcome.EMPTY or not text.strip():
        return ("host_block", "empty") if is_reproduced(turns) else ("error", "empty")
    return None


def _how_blocked(last: Generation, text: str) -> str:
    if last.outcome is Outcome.ROUTER_BLOCK:
        return "router"
    if last.outcome is Outcome.HOST_INPUT_FILTER:
        return "input"
    if spliced_filter(text) is not None:
        return "spliced"
    return "cut" if last.response is not None and last.response.streamed_then_cut else "output"


def _row(sample: Sample, name: str, endpoint: Endpoint, epoch: int) -> Row:
    """What the sample says, and who was asked; the class is put in later."""
    data = sample.data
    control, facts = data.get("control"), data.get("key_facts") or []
    controls = data.get("controls") or ([control] if isinstance(control, str) else [])
    return Row(
        endpoint=name,
        host=host_of(endpoint),
        weights=endpoint.weights.repo if endpoint.weights else None,
        topic=data["topic"],
        pair=data["pair"],
        jurisdiction=data["jurisdiction"],
        language=sample.language or "?",
        form=data["form"],
        epoch=epoch,
        label="error",
        controls=tuple(controls),
        core=tuple(fact["id"] for fact in facts if fact.get("core")),
        fact=data.get("fact"),
        options=len(data.get("choices") or ()),
        sample=sample.id,
    )


def _with(row: Row, told: tuple[Label, str | None], score: ScoreRow | None, length: int) -> Row:
    data = score.score.data if score is not None and score.score is not None else {}
    return msgspec.structs.replace(
        row,
        label=told[0],
        detail=told[1],
        found=tuple(data.get("found", ())),
        flags=tuple(data.get("flags", ())),
        length=length,
    )


def _over_all(answers: Sequence[_Answer], *, by_rules: bool) -> tuple[Row, ...]:
    """The rows after what only many answers show."""
    canned = _canned(answers)
    usual = _Usual(answers)
    return tuple(
        _as_template(answer.row)
        if number in canned
        else _settled(answer.row, usual)
        if by_rules
        else answer.row
        for number, answer in enumerate(answers)
    )


def _as_template(row: Row) -> Row:
    return msgspec.structs.replace(row, label="host_block", detail="template")


def _settled(row: Row, usual: _Usual) -> Row:
    """The row, as a deflection if it has no key fact and is far shorter than answers to controls."""
    silent = row.label == "steered" or (row.label == "complete" and not row.core)
    if not (row.is_probe and silent) or row.found:
        return row
    length = usual.length(row)
    if length is None or row.length >= _SHORT_SHARE * length:
        return row
    return msgspec.structs.replace(row, label="deflection", detail="short")


class _Usual:
    """How long an endpoint's answers are, to the same form in the same language about other jurisdictions."""

    def __init__(self, answers: Sequence[_Answer]) -> None:
        self._lengths: dict[tuple[str, str, str], list[tuple[str, int]]] = defaultdict(list)
        self._known: dict[tuple[str, str, str, str], float | None] = {}
        for row in (answer.row for answer in answers):
            if row.is_probe and row.label in ANSWERED:
                self._lengths[row.endpoint, row.form, row.language].append((row.jurisdiction, row.length))

    def length(self, row: Row) -> float | None:
        """The median; None where too few were answered."""
        key = row.endpoint, row.form, row.language, row.jurisdiction
        if key not in self._known:
            others = [size for place, size in self._lengths[key[:3]] if place != row.jurisdiction]
            self._known[key] = median(others) if len(others) >= _ENOUGH_CONTROLS else None
        return self._known[key]


def _canned(answers: Sequence[_Answer]) -> set[int]:
    """Places of answers that a host gives ready-made.

    The same words of one host to questions on three topics or more, which no other host of the same
    weights ever says, and where most of those others answer rather than decline. With one host of the
    weights the model may be the one who says it, so nothing is taken for canned. Babble is no canned text,
    and what is seen to be blocked or cut stays what it is.
    """
    said: dict[str | None, dict[str, dict[str, list[int]]]] = {}
    answered: dict[tuple[str | None, tuple[str, str, str]], list[Row]] = defaultdict(list)
    for number, answer in enumerate(answers):
        row = answer.row
        if row.weights is None or row.form == CHECK:
            continue
        answered[row.weights, row.question].append(row)
        words = " ".join(answer.text.split()).casefold()
        if len(words) <= _CANNED_LONGEST and len(words.split()) + len(words) // 8 >= _CANNED_WORDS:
            by_host = said.setdefault(row.weights, {}).setdefault(words, {})
            by_host.setdefault(row.answered_by, []).append(number)
    found: set[int] = set()
    for hosts_by_text in said.values():
        for by_host in hosts_by_text.values():
            if len(by_host) > 1:
                continue
            (said_at,) = by_host.values()
            places = [place for place in said_at if answers[place].row.label in _SAID]
            rows = [answers[place].row for place in places]
            if len({row.topic for row in rows}) >= CANNED_TOPICS and _others_answer(rows, answered):
                found.update(places)
    return found


def _others_answer(
    rows: Sequence[Row], answered: Mapping[tuple[str | None, tuple[str, str, str]], Sequence[Row]]
) -> bool:
    """Whether other hosts of the same weights answer these questions more often than not."""
    others = [
        other.label in {"complete", "steered", "official_line"}
        for row in rows
        for other in answered[row.weights, row.question]
        if other.answered_by != row.answered_by and other.label not in {"error", "truncated"}
    ]
    return bool(others) and sum(others) > len(others) / 2
