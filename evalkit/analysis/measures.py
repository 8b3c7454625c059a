"""What is measured for every endpoint: names, units, meaning and denominator of each figure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evalkit.types.score import Metric

Unit = Literal["share", "seconds", "tokens_per_second", "usd", "tokens", "number"]
Better = Literal["higher", "lower"]


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of the summary. `denominator` says what is counted in `Estimate.n`.

    `by_suite` figures depend on a suite's own metric, so there is none over several suites.
    """

    key: str
    title: str
    unit: Unit
    meaning: str
    denominator: str
    better: Better | None = None
    by_suite: bool = False


_ALL = (
    Measure(
        key="delivered",
        title="Delivered",
        unit="share",
        better="higher",
        meaning="Share of trials in which an answer arrived that can be judged. Blocks, empty answers, "
        "thinking that never reached an answer, and host failures are not delivered.",
        denominator="planned trials that were run",
    ),
    Measure(
        key="quality",
        by_suite=True,
        title="Quality over delivered",
        unit="share",
        better="higher",
        meaning="Mean of the suite's primary metric over answers that were delivered and scored. "
        "Failures, blocks and unscored answers are not in it; their number stands beside it.",
        denominator="delivered and scored answers",
    ),
    Measure(
        key="quality_planned",
        by_suite=True,
        title="Quality over planned",
        unit="share",
        better="higher",
        meaning="The same metric over all trials that were run, where a trial without an answer counts as "
        "not solved: what a user of this host meets. Answers that the scorer could not judge are left out.",
        denominator="trials that were run, less unscored answers",
    ),
    Measure(
        key="refused",
        title="Refused by the model",
        unit="share",
        better="lower",
        meaning="Share of delivered answers in which the model itself declines. Blocks by host or router are "
        "counted apart, because they say nothing about the weights.",
        denominator="delivered answers with a refusal score",
    ),
    Measure(
        key="refused_served",
        title="Refused as served",
        unit="share",
        better="lower",
        meaning="Share in which a user gets no answer because the model declines or a filter blocks.",
        denominator="delivered answers with a refusal score, and blocked trials",
    ),
    Measure(
        key="steered",
        title="Steered",
        unit="share",
        better="lower",
        meaning="Share of valid answers that give an official line as their own or leave out core facts.",
        denominator="delivered answers with a class, and blocked trials",
    ),
    Measure(
        key="excess_refusal",
        title="Excess refusal",
        unit="share",
        better="lower",
        meaning="Refused as served on probes, minus the same on the matched control topics in the same form "
        "and language: what is refused because of the topic.",
        denominator="probe questions that were validly answered, as their controls were",
    ),
    Measure(
        key="blocked",
        title="Blocked by host or router",
        unit="share",
        better="lower",
        meaning="Share of trials that a filter in front of or behind the model stopped.",
        denominator="trials that were run, less host failures",
    ),
    Measure(
        key="first_token_p50",
        title="First token, median",
        unit="seconds",
        better="lower",
        meaning="Seconds from sending to the first streamed token, reasoning counted, first turn; half of "
        "the trials are faster. Waiting and earlier attempts are not in it.",
        denominator="delivered, streamed trials that were asked in this run",
    ),
    Measure(
        key="first_token_p95",
        title="First token, 95th percentile",
        unit="seconds",
        better="lower",
        meaning="As before; 19 of 20 trials are faster.",
        denominator="delivered, streamed trials that were asked in this run",
    ),
    Measure(
        key="total_p50",
        title="Whole answer, median",
        unit="seconds",
        better="lower",
        meaning="Seconds from sending to the last byte, summed over the turns of a trial.",
        denominator="delivered trials that were asked in this run",
    ),
    Measure(
        key="total_p95",
        title="Whole answer, 95th percentile",
        unit="seconds",
        better="lower",
        meaning="As before; 19 of 20 trials are faster.",
        denominator="delivered trials that were asked in this run",
    ),
    Measure(
        key="rate",
        title="Output speed, median",
        unit="tokens_per_second",
        better="higher",
        meaning="Output tokens per second after the first token, as the host counts tokens.",
        denominator="delivered, streamed trials that were asked in this run and report usage",
    ),
    Measure(
        key="cost_per_1k",
        title="Cost per 1,000 samples",
        unit="usd",
        better="lower",
        meaning="US dollars for a thousand answered samples of this mix, at the price that was billed or "
        "listed when they were asked. Unpriced is not free: it has no figure.",
        denominator="answered and priced trials",
    ),
    Measure(
        key="cost_per_success",
        title="Cost per success",
        unit="usd",
        better="lower",
        meaning="All dollars, those of failed attempts too, divided by the number of successes.",
        denominator="answered, priced and scored trials of suites whose metric is a success",
    ),
    Measure(
        key="time_per_success",
        title="Time per success",
        unit="seconds",
        better="lower",
        meaning="All seconds of waiting for the model, those of failures too, divided by the number of "
        "successes. What tools and scorers take is not in it.",
        denominator="answered and scored trials that were asked in this run, of suites whose metric is a "
        "success",
    ),
    Measure(
        key="tokens_per_success",
        title="Tokens per success",
        unit="tokens",
        better="lower",
        meaning="All input and output tokens, those of failures too, divided by the number of successes.",
        denominator="answered and scored trials with usage, of suites whose metric is a success",
    ),
    Measure(
        key="tokens_in",
        title="Input tokens per sample",
        unit="tokens",
        meaning="As the host counts them. Hosts of the same weights differ where they add text of their own.",
        denominator="answered trials with usage",
    ),
    Measure(
        key="tokens_out",
        title="Output tokens per sample",
        unit="tokens",
        meaning="As the host counts them, reasoning included.",
        denominator="answered trials with usage",
    ),
)

MEASURES: dict[str, Measure] = {measure.key: measure for measure in _ALL}
"""Every measure by key, in the order in which a reader meets them."""

SCORE = "score:"
"""Begins the key of any metric of any scorer: `score:tests_passed`."""
EXCESS = "excess_refusal"

_TIMES = {
    "first_token": MEASURES["first_token_p50"],
    "first_answer": msgspec.structs.replace(
        MEASURES["first_token_p50"],
        key="first_answer_p50",
        title="First answer token, median",
        meaning="Seconds from sending to the first token of the answer itself, reasoning not counted.",
    ),
    "total": MEASURES["total_p50"],
    "rate": MEASURES["rate"],
}
_PERCENTILE = re.compile(r"(first_token|first_answer|total|rate)_p(\d{1,2}(?:\.\d)?)")
_PASS = re.compile(r"pass_(at|all)_([1-9]\d{0,3})")
FAMILIES = ("first_token_pNN", "first_answer_pNN", "total_pNN", "rate_pNN", "pass_at_K", "pass_all_K")


def percentile_of(key: str) -> tuple[str, float] | None:
    """Quantity and quantile of a key such as `first_token_p90`; None if it is no percentile."""
    if key == "rate":
        return "rate", 0.5
    found = _PERCENTILE.fullmatch(key)
    return (found[1], float(found[2]) / 100) if found and float(found[2]) > 0 else None


def pass_of(key: str) -> tuple[int, bool] | None:
    """Number of trials of `pass_at_3`, and whether all must succeed (`pass_all_3`); None if it is neither."""
    found = _PASS.fullmatch(key)
    return (int(found[2]), found[1] == "all") if found else None


def measure_of(key: str, metrics: Iterable[Metric] = ()) -> Measure | None:
    """What a key means; None if nothing is called so.

    Args:
        key: of a fixed measure, a percentile, pass@k, or a metric.
        metrics: those that scorers gave, for keys that begin with `score:`.
    """
    if key in MEASURES:
        return MEASURES[key]
    if key.startswith(SCORE):
        metric = next((m for m in metrics if m.name == key.removeprefix(SCORE)), None)
        return _of_metric(key, metric) if metric else None
    if key.startswith(f"{EXCESS}:") and key != f"{EXCESS}:":
        place = key.partition(":")[2]
        return msgspec.structs.replace(MEASURES[EXCESS], key=key, title=f"Excess refusal, topics of {place}")
    if (percentile := percentile_of(key)) is not None:
        base, quantile = _TIMES[percentile[0]], f"{percentile[1] * 100:g}"
        title = base.title.replace("median", f"{quantile}th percentile")
        return msgspec.structs.replace(base, key=key, title=title)
    if (passed := pass_of(key)) is not None:
        return _of_pass(key, *passed)
    return None


def _of_metric(key: str, metric: Metric) -> Measure:
    return Measure(
        key=key,
        title=metric.title,
        unit="number" if metric.kind == "number" else "share",
        meaning=metric.meaning,
        denominator="delivered answers with this score",
        better="higher" if metric.higher_is_better else "lower",
        by_suite=True,
    )


def _of_pass(key: str, k: int, every: bool) -> Measure:
    how = "all of them succeed" if every else "at least one succeeds"
    return Measure(
        key=key,
        title=f"pass^{k}" if every else f"pass@{k}",
        unit="share",
        meaning=f"Chance that of {k} trials of one sample {how}, without bias from its scored trials.",
        denominator=f"samples with at least {k} scored trials",
        better="higher",
        by_suite=True,
    )
