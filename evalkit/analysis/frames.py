"""Recorded rows as pandas frames, one row for each thing that is counted.

`generations` has one row per recorded request, `trials` one per planned trial whether or not it was worked,
`scores` one per trial and metric. `evalkit.analysis.columns` says what each column means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.analysis import columns
from evalkit.analysis.labels import Subject, subjects_of, suite_names
from evalkit.types.generation import Generation, Outcome, TrialKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pandas as pd

    from evalkit.analysis.rundata import RunData
    from evalkit.types.score import ScoreRow
    from evalkit.types.suite import Sample

PENDING = "pending"
"""Outcome of a planned trial of which nothing is recorded yet."""

EXCLUDED = "excluded"
"""Outcome of a trial in which something else than its endpoint answered; it enters no figure."""

Row = dict[str, Any]


class Frames(msgspec.Struct, frozen=True, kw_only=True):
    """The three frames of an analysis, and the subjects in the order in which they are shown."""

    subjects: tuple[Subject, ...]
    generations: Any
    trials: Any
    scores: Any


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """What one run's endpoints and suites are called."""

    run: int
    subjects: dict[str, str]
    suites: dict[str, str]

    def key(self, trial: TrialKey) -> Row:
        """The columns that name a trial."""
        return {
            "run": self.run,
            "subject": self.subjects[trial.endpoint],
            "suite": self.suites[trial.suite],
            "sample": trial.sample,
            "epoch": trial.epoch,
        }

    def knows(self, trial: TrialKey) -> bool:
        """Whether the trial's endpoint and suite are in the manifest."""
        return trial.endpoint in self.subjects and trial.suite in self.suites


def names_of(runs: Sequence[RunData]) -> tuple[Names, ...]:
    """Names for each run, in order."""
    subjects, suites = subjects_of(runs), suite_names(runs)
    return tuple(
        Names(
            run=number,
            subjects={s.endpoint: s.name for s in subjects if s.run == number},
            suites={suite: name for (n, suite), name in suites.items() if n == number},
        )
        for number in range(len(runs))
    )


def build_frames(runs: Sequence[RunData]) -> Frames:
    """Frames over all runs of an analysis."""
    generations: list[Row] = []
    trials: list[Row] = []
    scores: list[Row] = []
    for run, names in zip(runs, names_of(runs), strict=True):
        generations += (_generation_row(g, names) for g in run.generations if names.knows(g.trial))
        trials += _trial_rows(run, names)
        last = latest_scores(run.scores).values()
        scores += (_score_row(row, names) for row in last if names.knows(row.trial))
    return Frames(
        subjects=subjects_of(runs),
        generations=as_frame(generations, columns.GENERATIONS),
        trials=as_frame(trials, columns.TRIALS),
        scores=as_frame(scores, columns.SCORES),
    )


def is_delivered(generation: Generation) -> bool:
    """Whether an answer arrived that can be judged.

    That is an answer, one in a broken tool format, or one that was cut by the token limit after some of it
    was there. Blocks, empty answers, thinking that never reached an answer, and failures are not.
    """
    if generation.outcome in {Outcome.OK, Outcome.TOOL_FORMAT_FAILURE}:
        return True
    response = generation.response
    return (
        generation.outcome is Outcome.TRUNCATED
        and response is not None
        and bool(response.text.strip() or response.tool_calls)
    )


def topic_of(sample: Sample) -> str | None:
    """What a sample is about: its `data.topic`, else its first tag."""
    topic = sample.data.get("topic")
    if isinstance(topic, str):
        return topic
    return sample.tags[0] if sample.tags else None


def latest_turns(generations: Iterable[Generation]) -> dict[TrialKey, list[Generation]]:
    """Each trial's requests, the subject's first, keeping the last row of every turn.

    A resumed run asks failed turns again, so an earlier row of the same turn has been overtaken.
    """
    kept: dict[tuple[TrialKey, str, str, int], Generation] = {}
    for row in generations:
        kept[row.trial, row.role, row.endpoint, row.turn] = row
    trials: dict[TrialKey, list[Generation]] = {}
    for row in kept.values():
        trials.setdefault(row.trial, []).append(row)
    for rows in trials.values():
        rows.sort(key=lambda row: (row.role != "subject", row.role, row.turn))
    return trials


def latest_scores(scores: Iterable[ScoreRow]) -> dict[tuple[TrialKey, str], ScoreRow]:
    """The last row of each trial and metric."""
    kept: dict[tuple[TrialKey, str], ScoreRow] = {}
    for row in scores:
        said = row.score or row.unscored
        if said is not None:
            kept[row.trial, said.metric] = row
    return kept


def planned(
    run: RunData, worked: dict[TrialKey, list[Generation]]
) -> Iterator[tuple[TrialKey, Sample | None]]:
    """Every trial that was planned, with its sample where the run kept it.

    Where a suite's samples are gone, what was recorded still counts.
    """
    for record in run.manifest.suites:
        suite = record.suite.id
        index, count = run.manifest.shard
        samples = run.samples.get(suite, ())[index - 1 :: count]
        if not samples:
            yield from ((key, None) for key in worked if key.suite == suite)
        for sample in samples:
            for epoch in range(1, record.epochs + 1):
                for endpoint in run.manifest.endpoints:
                    yield TrialKey(suite, sample.id, endpoint.id, epoch), sample


def as_frame(rows: list[Row], schema: columns.Schema) -> pd.DataFrame:
    """Rows as a frame with exactly these columns and types."""
    import pandas as pd

    frame = pd.DataFrame(rows, columns=list(schema))
    return frame.astype({name: "object" if kind == "str" else kind for name, (kind, _) in schema.items()})


def _generation_row(g: Generation, names: Names) -> Row:
    row = names.key(g.trial) | {
        "role": g.role,
        "turn": g.turn,
        "asked": g.endpoint,
        "outcome": g.outcome.value,
        "at": g.at,
        "reused": g.source is not None,
        "attempts": len(g.attempts),
    }
    if (response := g.response) is not None:
        row |= {
            "served_by": response.served_by,
            "served_model": response.served_model,
            "finish": response.finish,
        }
        if (usage := response.usage) is not None:
            row |= {name: getattr(usage, name) for name in usage.__struct_fields__}
    if g.cost is not None:
        row |= {name: getattr(g.cost, name) for name in g.cost.__struct_fields__ if name != "price"}
    if g.timing is not None:
        row |= {name: getattr(g.timing, name) for name in g.timing.__struct_fields__}
    if g.failure is not None:
        row |= {"status": g.failure.status, "message": g.failure.message}
    return row


def _score_row(row: ScoreRow, names: Names) -> Row:
    key = names.key(row.trial) | {"scorer": row.scorer, "version": row.version}
    if (score := row.score) is not None:
        return key | {
            "metric": score.metric,
            "value": score.value,
            "label": score.label,
            "answer": score.answer,
            "explanation": score.explanation,
        }
    assert row.unscored is not None
    missing = row.unscored
    return key | {"metric": missing.metric, "reason": missing.reason, "detail": missing.detail}


def _trial_rows(run: RunData, names: Names) -> Iterator[Row]:
    worked = latest_turns(run.generations)
    for key, sample in planned(run, worked):
        if not names.knows(key):
            continue
        rows = worked.get(key, [])
        subject = [g for g in rows if g.role == "subject"]
        row = names.key(key) | {"cluster": key.sample}
        if sample is not None:
            row |= {
                "cluster": sample.cluster or key.sample,
                "language": sample.language,
                "topic": topic_of(sample),
                "tags": "\n".join(sample.tags) or None,
            }
        yield row | _course(subject) | _amounts(subject, [g for g in rows if g.role != "subject"])


def _course(subject: list[Generation]) -> Row:
    """How the trial went."""
    if not subject:
        nothing = {"delivered": False, "answered": False, "turns": 0, "tries": 0, "reused": False}
        return {"outcome": PENDING, **nothing}
    last = subject[-1]
    excluded = any(g.excluded for g in subject)
    hosts = sorted({g.response.served_by for g in subject if g.response and g.response.served_by})
    return {
        "outcome": EXCLUDED if excluded else last.outcome.value,
        "delivered": is_delivered(last) and not excluded,
        "answered": any(g.response is not None for g in subject) and not excluded,
        "turns": len(subject),
        "tries": sum(max(1, len(g.attempts)) for g in subject),
        "reused": any(g.source is not None for g in subject),
        "served_by": ", ".join(hosts) or None,
    }


def _amounts(subject: list[Generation], others: list[Generation]) -> Row:
    """Tokens, dollars and seconds."""
    answered = [g for g in subject if g.response is not None]
    usages = [g.response.usage if g.response else None for g in answered]
    first = subject[0].timing if subject else None
    return {
        "input": total(u.input if u else None for u in usages),
        "output": total(u.output if u else None for u in usages),
        "reasoning": total(u.reasoning if u else None for u in usages),
        "usd": total(g.cost.usd if g.cost else None for g in answered),
        "judge_usd": total(g.cost.usd if g.cost else None for g in others if g.response is not None),
        "total_s": total(g.timing.total_s if g.timing else None for g in subject),
        "first_token_s": first.first_token_s if first else None,
        "first_answer_s": first.first_answer_s if first else None,
        "rate": decode_rate(subject),
    }


def total(parts: Iterable[float | None]) -> float | None:
    """Sum; None if there is no part or one of them is unknown, because the whole is unknown then."""
    amount: float | None = None
    for part in parts:
        if part is None:
            return None
        amount = part if amount is None else amount + part
    return amount


def decode_rate(turns: Iterable[Generation]) -> float | None:
    """Output tokens per second after the first one, over the turns that tell both; None if none does."""
    tokens, seconds = 0, 0.0
    for g in turns:
        usage = g.response.usage if g.response else None
        if usage is None or usage.output is None or g.timing is None or g.timing.first_token_s is None:
            continue
        if usage.output > 1 and g.timing.total_s > g.timing.first_token_s:
            tokens += usage.output - 1
            seconds += g.timing.total_s - g.timing.first_token_s
    return tokens / seconds if tokens else None
