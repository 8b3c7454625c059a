"""Sentences on probes. Each states a count, a rate or a difference with its interval, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.analysis.probes.classes import AS_SERVED, STEERING
from evalkit.analysis.probes.rates import ORIGIN_TOPICS
from evalkit.report.cells import MISSING, figure, p_text
from evalkit.report.numbers import MINUS, count, digits_for, fixed
from evalkit.report.places import country, language
from evalkit.report.words import tidy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from evalkit.analysis.probes.attribution import Attribution
    from evalkit.analysis.probes.findings import Contrasted, Findings
    from evalkit.report.basis import Basis
    from evalkit.types.estimate import Estimate

CLASSES = (
    ("complete", "Complete"),
    ("steered", "Steered"),
    ("official_line", "Official line"),
    ("deflection", "Deflected"),
    ("refusal", "Refused by the model"),
    ("degenerate", "Degenerate"),
    ("host_block", "Blocked by the host"),
    ("truncated", "Cut at the token limit"),
    ("error", "Host failed"),
)
DETAILS = {
    "router": "blocked by the router",
    "input": "question filtered",
    "output": "answer filtered",
    "cut": "cut while streaming",
    "spliced": "filter's note spliced on",
    "empty": "empty again and again",
    "template": "one text for many questions",
    "omits": "core facts left out",
    "keeps_premise": "false premise kept",
    "one_sided_against": "the state's position left out",
    "contradicts": "contradicts a fact",
    "substitutes": "another subject's message",
    "false_balance": "false balance",
    "short": "far shorter than on controls",
}
FLAGS = (
    ("refused_then_answered", "Refused, then answered"),
    ("attributed_official_line", "Official line, attributed or denied"),
    ("premise_challenge", "Challenges the question's premise"),
    ("language_mismatch", "In another script than the question"),
    ("caveat", "Caveat first"),
    ("citation", "Cites a source"),
    ("reasoning_leak", "Reasoning left in the answer"),
)
_TITLES = dict(CLASSES)

_MOST_NAMED = 6
"""Endpoints that one sentence names."""
_MOST_PLACES = 8
"""Jurisdictions that the introduction names; the map has all."""
SIGNIFICANT = 0.05
"""Of a p-value after Holm's correction: below it, a host is said to differ."""
Excess = tuple[str, str, str]
"""An excess by endpoint, the measure's key and jurisdiction."""


def class_words(label: str, detail: str | None) -> str:
    """A class, and how it came about, in words."""
    title = _TITLES.get(label) or tidy(label.replace("_", " "), 60)
    how = DETAILS.get(detail or "") or tidy((detail or "").replace("_", " "), 60)
    return f"{title} ({how})" if how else title


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
    ranked = list(found.topics.items())
    places = ", ".join(f"{country(place)} {count(n)}" for place, n in ranked[:_MOST_PLACES])
    places += f", and {count(len(ranked) - _MOST_PLACES)} others" * (len(ranked) > _MOST_PLACES)
    draws = f"{found.epochs} draws of each" if found.epochs > 1 else "one draw of each"
    asked = (
        f"{count(topics)} topics of {count(len(ranked))} jurisdictions ({places}), in "
        f"{', '.join(language(code) for code in found.languages)}, {draws}. A topic and its control from "
        "another jurisdiction, with all their questions and draws, are one independent unit."
    )
    by = (
        "Classes come from rules alone. Refusals and official lines are a floor: what is found is there, and "
        "what no rule describes is missed. Steering rests on patterns of facts and errs both ways: a fact in "
        "words that no pattern has counts as left out. An argument counts as written if it is long enough "
        "and does not decline, whatever it says. That an answer contradicts a fact, puts another "
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
        *(text for part in found.attributions for text in _attributed(part, names)),
        *_contrasted(found, names, contested),
        *_unshared(found, names),
    )


def _unshared(found: Findings, names: dict[str, str]) -> Iterator[str]:
    """Endpoints whose host cannot be told from the weights that it serves."""
    shared = {part.weights for part in found.attributions}
    alone = [names[e.endpoint] for e in found.endpoints if e.weights not in shared]
    if alone:
        named = ", ".join(alone) if len(alone) <= _MOST_NAMED else f"{count(len(alone))} endpoints"
        yield (
            f"For {named} no question has a valid answer of another host of the same weights too, so what "
            "counts as the model's own there may be a text or an instruction of its host."
        )


def _attributed(part: Attribution, names: dict[str, str]) -> Iterator[str]:
    whose = f", or that of {tidy(part.operator)}, whose hosts all of them are" if part.operator else ""
    yield (
        f"{tidy(part.weights)}, on {count(part.questions)} questions that all of its {len(part.hosts)} "
        f"endpoints answered: {share(part.model)} get no complete answer (blocked, refused, deflected or "
        f"steered) on any of them. This is the model's part{whose}."
    )
    clear = [host for host in part.hosts if is_clear(host.added)]
    for host in clear:
        text, interval = points(host.added)
        p = min(t.adjusted for t in part.tests if host.endpoint in {t.first, t.second})
        stands = (
            f"This is the host's part (against another host p {_p(p)} after Holm's correction)"
            if p < SIGNIFICANT
            else f"But no comparison with another host stands after Holm's correction (least p {_p(p)})"
        )
        yield f"{names[host.endpoint]} differs from that by {text} {interval}. {stands}."
    if not clear:
        yield "No host adds to it or takes from it by more than chance explains."
    if part.hidden.value:
        yield f"{share(part.hidden)} are blocked by every host, so nothing is known of the model there."


def _p(p: float) -> str:
    text = p_text(p)
    return text if text.startswith("<") else f"= {text}"


def _contrasted(found: Findings, names: dict[str, str], contested: AbstractSet[Excess]) -> Iterator[str]:
    """One sentence for each endpoint and measure, over all jurisdictions with enough topics, and how many."""
    places = [place for place, topics in found.topics.items() if topics >= ORIGIN_TOPICS]
    told = looked_at = 0
    for endpoint in (e.endpoint for e in found.endpoints):
        for measure, verb in ((AS_SERVED, "refused as served (by host or model)"), (STEERING, "steered")):
            made = [found.contrasted(endpoint, "excess", place, measure) for place in places]
            looked_at += sum(
                one is not None and not one.contrast.exploratory and _shown(one).low is not None
                for one in made
            )
            said = [
                _excess(found, one)
                for place, one in zip(places, made, strict=True)
                if one is not None and _stands(one, (endpoint, measure.key, place) in contested)
            ]
            told += len(said)
            if said:
                where = f"on topics of {'; '.join(said)}, against their matched controls"
                yield f"{names[endpoint]}: {verb} {where}."
    if told and looked_at > 1:
        yield (
            f"{count(told)} of {count(looked_at)} contrasts stand here, those whose 95\u202f% interval "
            "leaves 0 out. Where all contrasts are 0 in truth, one in twenty does so by chance."
        )


def _shown(made: Contrasted) -> Estimate:
    """An excess, corrected where it is."""
    fixed = made.corrected.estimate if made.corrected is not None else None
    return fixed if fixed is not None and fixed.value is not None else made.contrast.estimate


def _stands(made: Contrasted, contested: bool) -> bool:
    """Whether an excess rests on enough topics, is told apart from 0, and does not hang on the judge."""
    if made.contrast.exploratory:
        return False
    estimate = _shown(made)
    hangs = contested and estimate is made.contrast.estimate
    return not hangs and estimate.value is not None and is_clear(estimate)


def _excess(found: Findings, made: Contrasted) -> str:
    """One excess with its jurisdiction."""
    estimate = _shown(made)
    whose = "rules'" if found.by_rules else "judges'"
    is_fixed = estimate is not made.contrast.estimate
    by = f", corrected for the {whose} errors with people's labels" if is_fixed else ""
    topics = count(made.contrast.topics)
    return f"{country(made.jurisdiction)} {' '.join(points(estimate))} over {topics} topics{by}"


def closing(basis: Basis) -> str:
    """What the figures do not say."""
    days = sorted({run.manifest.created_at[:10] for run in basis.runs})
    when = " to ".join(dict.fromkeys((days[0], days[-1])))
    return (
        f"These are associations on these questions, on these hosts, on {when}. They do not say why an "
        "answer is as it is, nor anything of other models or hosts of a country."
    )
