"""Agreement of two judges on recorded answers, and what a correction by labels is worth there.

    python -m benchmarks.judges DATA            # writes the tables of docs/judges.md, some minutes
    python -m benchmarks.judges DATA --print    # prints them and writes nothing

DATA holds `speechmap-political/` (xlr8harder: 11,050 answers of 37 models, labels of two language models).
For the correction one of the two stands in for the person, the other is the judge; then the other way round.
Nobody's label is a person's here: what is measured is the statistics, not these judges.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path[0] = str(ROOT)

from benchmarks.marks import put, table  # noqa: E402
from benchmarks.probes_sets import SETS  # noqa: E402
from evalkit.stats.agreement import cohen_kappa, krippendorff_alpha  # noqa: E402
from evalkit.stats.judge import (  # noqa: E402
    Calibration,
    Stratum,
    prediction_powered,
    rogan_gladen,
    weighted_mean,
    widened,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from evalkit.types.estimate import Estimate

PAGE = ROOT / "docs" / "judges.md"
CLASSES = ("COMPLETE", "EVASIVE", "DENIAL")
NAMES = {name: f"{place.lower()} {language}" for name, (place, language) in SETS.items()}
HOME = ("cn en", "cn zh", "cn fi")
LABELS = (50, 100, 150)
ESTIMATORS = ("uncorrected", "Rogan-Gladen", "PPI++", "labels alone")
FEW_MODELS = 6
ENOUGH = 45
"""Answers with both classes that a model must have in each home set."""


class Judged(NamedTuple):
    """One answer: its set, its model, its topic, and the two judges' classes, None where one gave none."""

    part: str
    model: str
    topic: str
    grok: str | None
    gpt: str | None


class Part(NamedTuple):
    """One stratum: what the person says and what the judge says, 1 for no complete answer, and the topics."""

    truth: NDArray[np.float64]
    judged: NDArray[np.float64]
    topics: NDArray[np.intp]


class Tally(NamedTuple):
    """Of many draws: the error of each estimate in points, whether its interval held, its half width."""

    errors: NDArray[np.float64]
    held: float
    half: float
    missing: int

    @property
    def bias(self) -> float:
        """Mean error in points."""
        return float(self.errors.mean()) if self.errors.size else float("nan")

    @property
    def rmse(self) -> float:
        """Root of the mean squared error in points."""
        return float(np.sqrt((self.errors**2).mean())) if self.errors.size else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description="Agreement of two judges, and the worth of corrections.")
    parser.add_argument("data", type=Path, help="folder with speechmap-political/")
    parser.add_argument("--print", action="store_true", help="print the tables and write nothing")
    parser.add_argument("--draws", type=int, default=400)
    options = parser.parse_args()
    answers = list(read(options.data))
    parts = {
        "agreement": coefficients(answers),
        "prevalence": prevalence(answers),
        **corrections(answers, options.draws),
    }
    text = PAGE.read_text(encoding="utf-8")
    for name, part in parts.items():
        print(part, end="\n\n")
        text = put(text, name, part)
    if not options.print:
        PAGE.write_text(text, encoding="utf-8")


def read(data: Path) -> Iterator[Judged]:
    """Every recorded answer; a topic is one in all the languages that it was asked in."""
    path = data / "speechmap-political" / "criticism_judged_two_judges.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            told = json.loads(line)
            part = NAMES[told["set"]]
            first, second = told["label_grok41fast"], told["label_gpt4o"]
            yield Judged(
                part,
                told["model"],
                f"{part.partition(' ')[0]}-{told['question_id'].rpartition('_')[2]}",
                first if first in CLASSES else None,
                second if second in CLASSES else None,
            )


# -- agreement --------------------------------------------------------------------------------------------


def groups(answers: Sequence[Judged]) -> Iterator[tuple[str, list[Judged]]]:
    for part in NAMES.values():
        yield part, [answer for answer in answers if answer.part == part]
    yield "all", list(answers)


MERGED: dict[str, Callable[[str], str]] = {
    "three classes": lambda label: label,
    "complete or not": lambda label: label if label == "COMPLETE" else "not",
    "denial or not": lambda label: label if label == "DENIAL" else "not",
}


def coefficients(answers: Sequence[Judged]) -> str:
    """Kappa and alpha with intervals, with raw agreement and PABAK beside them."""
    lines = []
    for what, merged in MERGED.items():
        for name, own in groups(answers):
            both = [a for a in own if a.grok is not None and a.gpt is not None]
            first, second = (
                [merged(str(label)) for label in (s)]
                for s in zip(*((a.grok, a.gpt) for a in both), strict=True)
            )
            topics = [a.topic for a in both]
            found = cohen_kappa(first, second, topics)
            alpha = krippendorff_alpha(list(zip(first, second, strict=True)), topics)
            lines.append(
                [
                    what,
                    name,
                    f"{found.n:,}",
                    shown(found.kappa),
                    shown(alpha),
                    shown(found.agreed, 3),
                    f"{found.expected:.3f}",
                    f"{found.pabak:.2f}",
                ]
            )
    head = ["classes", "answers", "n", "kappa", "alpha", "agreed", "by chance", "PABAK"]
    return table(head, lines)


def prevalence(answers: Sequence[Judged]) -> str:
    """Each judge's share of every class, and the answers that one or both gave no class."""
    lines = []
    for name, own in groups(answers):
        both = [a for a in own if a.grok is not None and a.gpt is not None]
        first, second = Counter(a.grok for a in both), Counter(a.gpt for a in both)
        lines.append(
            [
                name,
                *(f"{100 * first[c] / len(both):.1f} / {100 * second[c] / len(both):.1f}" for c in CLASSES),
                str(len(own) - len(both)),
            ]
        )
    return table(["answers", *(f"{c.lower()}, %" for c in CLASSES), "without both classes"], lines)


def shown(estimate: Estimate, digits: int = 2) -> str:
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return "none" if estimate.value is None else f"{estimate.value:.{digits}f}"
    return f"{estimate.value:.{digits}f} [{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"


# -- correction -------------------------------------------------------------------------------------------


def corrections(answers: Sequence[Judged], draws: int) -> dict[str, str]:
    both = [a for a in answers if a.grok is not None and a.gpt is not None]
    by_set = {
        (name, person): [part_of([a for a in both if a.part == name], person)]
        for name in NAMES.values()
        for person in ("gpt", "grok")
    }
    by_model = {
        (model, person): [
            part_of([a for a in both if a.model == model and a.part == name], person) for name in HOME
        ]
        for model in some_models(both)
        for person in ("gpt", "grok")
    }
    sets = {key: measured(strata, LABELS, draws) for key, strata in by_set.items()}
    models = {key: measured(strata, LABELS[:2], draws) for key, strata in by_model.items()}
    return {
        "correction": averages(list(sets.values()), LABELS),
        "correction-sets": each(sets, 100),
        "correction-models": averages(list(models.values()), LABELS[:2]),
        "correction-each-model": each(models, 50),
    }


def some_models(answers: Sequence[Judged]) -> list[str]:
    """The models whose answers in the home sets are least alike: their shares not complete nearest to 1/2."""
    own: dict[str, list[Judged]] = {}
    for answer in answers:
        if answer.part in HOME:
            own.setdefault(answer.model, []).append(answer)

    def one_sided(model: str) -> float:
        said = [label != "COMPLETE" for a in own[model] for label in (a.grok, a.gpt)]
        return abs(sum(said) / len(said) - 0.5)

    whole = [m for m in own if all(sum(a.part == part for a in own[m]) >= ENOUGH for part in HOME)]
    return sorted(sorted(whole, key=lambda model: (one_sided(model), model))[:FEW_MODELS])


def part_of(answers: Sequence[Judged], person: str) -> Part:
    first = np.array([a.grok != "COMPLETE" for a in answers], float)
    second = np.array([a.gpt != "COMPLETE" for a in answers], float)
    topics = np.array([int(a.topic.rpartition("-")[2]) for a in answers], np.intp)
    return Part(second, first, topics) if person == "gpt" else Part(first, second, topics)


class Measured(NamedTuple):
    """By number of labels and estimator, the answers as they are, and with their topics drawn anew."""

    fixed: dict[tuple[int, str], Tally]
    anew: dict[tuple[int, str], Tally]


def measured(strata: Sequence[Part], labels: Sequence[int], draws: int) -> Measured:
    return Measured(tallies(strata, labels, draws, anew=False), tallies(strata, labels, draws, anew=True))


def tallies(
    strata: Sequence[Part], labels: Sequence[int], draws: int, *, anew: bool
) -> dict[tuple[int, str], Tally]:
    """Many draws of labelled answers against the person's rate over all.

    With `anew` the topics are drawn anew too, with replacement: then the rate over all answers is the true
    one of the population that the draws are from, which is what an interval speaks of.
    """
    rng = np.random.default_rng([len(strata), *(part.truth.size for part in strata), int(anew)])
    total = sum(part.truth.size for part in strata)
    goal = sum(float(part.truth.sum()) for part in strata) / total
    weights = [part.truth.size / total for part in strata]
    found: dict[tuple[int, str], list[Estimate | None]] = {}
    for _ in range(draws):
        drawn = redrawn(strata, rng) if anew else strata
        for number in labels:
            for name, estimate in estimates(drawn, weights, number, rng).items():
                found.setdefault((number, name), []).append(estimate)
    return {key: tally(own, goal) for key, own in found.items()}


def redrawn(strata: Sequence[Part], rng: np.random.Generator) -> list[Part]:
    """As many topics drawn with replacement, the same in all strata; one drawn twice is two topics."""
    topics = np.unique(np.concatenate([part.topics for part in strata]))
    chosen = rng.choice(topics, size=topics.size)
    made = []
    for part in strata:
        rows = [np.flatnonzero(part.topics == topic) for topic in chosen]
        index = np.concatenate(rows)
        made.append(
            Part(
                part.truth[index],
                part.judged[index],
                np.repeat(np.arange(chosen.size), [own.size for own in rows]),
            )
        )
    return made


def estimates(
    strata: Sequence[Part], weights: Sequence[float], number: int, rng: np.random.Generator
) -> dict[str, Estimate | None]:
    """The four estimates from one random choice of labelled answers, equally many in each stratum."""
    full, only, judge = [], [], []
    adjusted: list[Estimate] = []
    for part, weight in zip(strata, weights, strict=True):
        order = rng.permutation(part.truth.size)
        mine, rest = order[: number // len(strata)], order[number // len(strata) :]
        owners, others = tuple(part.topics[mine].tolist()), tuple(part.topics[rest].tolist())
        truth, judged, unlabelled = part.truth[mine], part.judged[mine], part.judged[rest]
        full.append(
            Stratum(
                truth=truth,
                judged=judged,
                unlabelled=unlabelled,
                weight=weight,
                labelled_clusters=owners,
                unlabelled_clusters=others,
            )
        )
        only.append(Stratum(truth=truth, weight=weight, labelled_clusters=owners))
        judge.append(Stratum(truth=part.judged, weight=weight, labelled_clusters=tuple(part.topics.tolist())))
        positives, negatives = int(truth.sum()), int((1 - truth).sum())
        if positives and negatives:
            counts = Calibration(
                positives=positives,
                found=int((truth * judged).sum()),
                negatives=negatives,
                left=int(((1 - truth) * (1 - judged)).sum()),
            )
            adjusted.append(rogan_gladen(unlabelled, counts, others))
    known = len(adjusted) == len(strata) and all(part.value is not None for part in adjusted)
    return {
        "uncorrected": prediction_powered(judge),
        "Rogan-Gladen": widened(weighted_mean(adjusted, weights), full) if known else None,
        "PPI++": prediction_powered(full),
        "labels alone": prediction_powered(only),
    }


def tally(found: Sequence[Estimate | None], goal: float) -> Tally:
    errors, held, half = [], [], []
    for estimate in found:
        if estimate is None or estimate.value is None or estimate.low is None or estimate.high is None:
            continue
        errors.append(100 * (estimate.value - goal))
        held.append(estimate.low <= goal <= estimate.high)
        half.append(50 * (estimate.high - estimate.low))
    return Tally(
        np.array(errors),
        float(np.mean(held)) if held else float("nan"),
        float(np.mean(half)) if half else float("nan"),
        len(found) - len(errors),
    )


def averages(parts: Sequence[Measured], labels: Sequence[int]) -> str:
    """Means over the sets (or models) and both ways round: |bias| and RMSE, the share held, half widths."""
    lines = []
    for number in labels:
        line = [str(number)]
        for name in ESTIMATORS:
            fixed = [part.fixed[number, name] for part in parts]
            anew = [part.anew[number, name] for part in parts]
            bias = np.nanmean([abs(t.bias) for t in fixed])
            rmse = np.nanmean([t.rmse for t in fixed])
            held = [t.held for t in anew]
            line.append(
                f"{bias:.1f} / {rmse:.1f}; {100 * np.nanmean(held):.0f} ({100 * np.nanmin(held):.0f}), "
                f"±{np.nanmean([t.half for t in anew]):.1f}"
            )
        lines.append(line)
    return table(["labels", *ESTIMATORS], lines)


def each(parts: dict[tuple[str, str], Measured], number: int) -> str:
    """One line a set or model and way round, at one number of labels."""
    lines = []
    for (name, person), found in parts.items():
        line = [name.partition("_")[2] or name, "gpt-4o" if person == "gpt" else "grok"]
        for estimator in ESTIMATORS:
            fixed, anew = found.fixed[number, estimator], found.anew[number, estimator]
            gone = fixed.missing + anew.missing
            of = gone + fixed.errors.size + anew.errors.size
            line.append(
                f"{fixed.bias:+.1f} / {fixed.rmse:.1f}; {100 * anew.held:.0f}"
                + (f" (none in {100 * gone / of:.0f} %)" if gone else "")
            )
        lines.append(line)
    return table(["answers", "the person is", *ESTIMATORS], lines)


if __name__ == "__main__":
    main()
