"""Sentences on probes. Each states a count, a rate or a difference with its interval, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.analysis.probes.classes import AS_SERVED, STEERING
from evalkit.analysis.probes.rates import ORIGIN_TOPICS
from evalkit.report.cells import MISSING, figure, p_text
from evalkit.report.numbers import MINUS, count, digits_for, fixed
from evalkit.report.words import tidy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from evalkit.analysis.probes.attribution import Attribution
    from evalkit.analysis.probes.findings import Findings
    from evalkit.report.basis import Basis
    from evalkit.types.estimate import Estimate

SIGNIFICANT = 0.05
"""Of a p-value after Holm's correction: below it, a host is said to differ."""
Excess = tuple[str, str, str]
"""An excess by endpoint, the measure's key and jurisdiction."""


def points(estimate: Estimate) -> tuple[str, str]:
    """A difference of shares in points, signed, and its interval."""
    if estimate.value is None:
        return MISSING, ""
    sides = [abs(x - estimate.value) * 100 for x in (estimate.low, estimate.high) if x is not None]
    digits = digits_for(max(sides), most=1) if sides else 1

    def signed(x: float | None) -> str:
        if x is None:
            return "no limit"
        text = fixed(x * 100, digits)
        return text if text.startswith(MINUS) or not text.strip("0.\u202f") else f"+{text}"

    interval = f"[{signed(estimate.low)}, {signed(estimate.high)}]" if sides else ""
    return f"{signed(estimate.value)} points", interval


def share(estimate: Estimate) -> str:
    """A share and its interval on one line."""
    return " ".join(part for part in figure(estimate, "share") if part)


def is_clear(estimate: Estimate) -> bool:
    """Whether the interval leaves 0 out."""
    return estimate.low is not None and estimate.high is not None and not estimate.low <= 0 <= estimate.high


def lead(found: Findings, judges: Sequence[str] = (), correction: str = "") -> tuple[str, ...]:
    """What was asked, and what kind of classes these are; of a panel what is said of its `judges`."""
    topics = sum(found.topics.values())
    places = ", ".join(f"{place} {count(n)}" for place, n in found.topics.items())
    draws = f"{found.epochs} draws of each" if found.epochs > 1 else "one draw of each"
    asked = (
        f"{count(topics)} topics of {count(len(found.topics))} jurisdictions ({places}), in "
        f"{', '.join(found.languages)}, {draws}. A topic and its control from another jurisdiction, with all "
        "their questions and draws, are one independent unit."
    )
    by = (
        "Classes come from rules alone. Refusals and official lines are a floor: what is found is there, and "
        "what no rule describes is missed. Steering rests on patterns of facts and errs both ways: a fact in "
        "words that no pattern has counts as left out. That an answer contradicts a fact, puts another "
        "message in its place or balances what is settled takes a judge, and is not looked for here."
        if found.by_rules
        else f"Classes come from {tidy(found.metric)}; blocks, failures and cut answers are read from what "
        "the host sent."
    )
    return tuple(
        text for text in (asked, *(judges or (by,)), correction, _small(found), _left(found)) if text
    )


def _small(found: Findings) -> str:
    if any(n >= ORIGIN_TOPICS for n in found.topics.values()):
        return ""
    return (
        f"No jurisdiction has the {ORIGIN_TOPICS} topics that a figure of its own needs: every contrast "
        "below is exploratory."
    )


def _left(found: Findings) -> str:
    parts = [
        f"{count(found.unscored)} delivered answers have no class" * bool(found.unscored),
        f"{count(found.pending)} questions were not asked yet" * bool(found.pending),
    ]
    told = " and ".join(part for part in parts if part)
    return f"{told}; they are in no figure." if told else ""


def sentences(basis: Basis, found: Findings, contested: AbstractSet[Excess] = frozenset()) -> tuple[str, ...]:
    """What the runs show: first whose doing it is, then against controls.

    An excess in `contested` has a sign that depends on the judge: only corrected it gets a figure here.
    """
    names = {column.key: f"{column.letter} {column.name}" for column in basis.columns}
    return (
        *_unshared(found, names),
        *(text for part in found.attributions for text in _attributed(part, names)),
        *_contrasted(found, names, contested),
    )


def _unshared(found: Findings, names: dict[str, str]) -> Iterator[str]:
    """Endpoints whose host cannot be told from the weights that it serves."""
    shared = {part.weights for part in found.attributions}
    alone = [names[e.endpoint] for e in found.endpoints if e.weights not in shared]
    if alone:
        yield (
            f"No other host of the same weights is here to compare with for {', '.join(alone)}, so what "
            "counts as the model's own there may be a text or an instruction of its host."
        )


def _attributed(part: Attribution, names: dict[str, str]) -> Iterator[str]:
    whose = f", or that of {tidy(part.operator)}, whose hosts all of them are" if part.operator else ""
    yield (
        f"{tidy(part.weights)}, on {count(part.questions)} questions that all of its {len(part.hosts)} "
        f"endpoints answered: {share(part.model)} of answers are without a complete answer on every one, "
        f"which is the model's part{whose}."
    )
    clear = [host for host in part.hosts if is_clear(host.added)]
    for host in clear:
        text, interval = points(host.added)
        p = min(t.adjusted for t in part.tests if host.endpoint in {t.first, t.second})
        stands = (
            f"which is the host's part (against another host p {_p(p)} after Holm's correction)"
            if p < SIGNIFICANT
            else f"but no comparison with another host stands after Holm's correction (least p {_p(p)})"
        )
        yield f"{names[host.endpoint]} differs from that by {text} {interval}, {stands}."
    if not clear:
        yield "No host's part is told apart from 0."
    if part.hidden.value:
        yield (
            f"{share(part.hidden)} of answers are blocked on every host, so nothing is known of the model "
            "there."
        )


def _p(p: float) -> str:
    text = p_text(p)
    return text if text.startswith("<") else f"= {text}"


def _contrasted(found: Findings, names: dict[str, str], contested: AbstractSet[Excess]) -> Iterator[str]:
    told = looked_at = 0
    for place, topics in found.topics.items():
        if topics < ORIGIN_TOPICS:
            continue
        for endpoint in (e.endpoint for e in found.endpoints):
            for measure, verb in ((AS_SERVED, "refused as served"), (STEERING, "steered")):
                made = found.contrasted(endpoint, "excess", place, measure)
                if made is None:
                    continue
                fixed = made.corrected.estimate if made.corrected is not None else None
                is_fixed = fixed is not None and fixed.value is not None
                estimate = fixed if fixed is not None and is_fixed else made.contrast.estimate
                hangs = not is_fixed and (endpoint, measure.key, place) in contested
                looked_at += estimate.low is not None
                if hangs or estimate.value is None or not is_clear(estimate):
                    continue
                told += 1
                text, interval = points(estimate)
                whose = "rules'" if found.by_rules else "judges'"
                by = f", corrected for the {whose} errors with people's labels" if is_fixed else ""
                yield (
                    f"{names[endpoint]}: {verb} on topics of {tidy(place)} {text} {interval} "
                    f"against their matched controls, over {count(made.contrast.topics)} topics{by}."
                )
    if told and looked_at > 1:
        yield (
            f"{count(told)} of {count(looked_at)} contrasts stand here, those whose 95\u202f% interval "
            "leaves 0 out. Where all contrasts are 0 in truth, one in twenty does so by chance."
        )


def closing(basis: Basis) -> str:
    """What the figures do not say."""
    days = sorted({run.manifest.created_at[:10] for run in basis.runs})
    when = " to ".join(dict.fromkeys((days[0], days[-1])))
    return (
        f"These are associations on these questions, on these hosts, on {when}. They do not say why an "
        "answer is as it is, nor anything of other models or hosts of a country."
    )
