"""What is measured for every endpoint: names, units, meaning and denominator of each figure."""

from __future__ import annotations

from typing import Literal

import msgspec

Unit = Literal["share", "seconds", "tokens_per_second", "usd", "tokens", "number"]
Better = Literal["higher", "lower"]


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of the summary. `denominator` says what is counted in `Estimate.n`."""

    key: str
    title: str
    unit: Unit
    meaning: str
    denominator: str
    better: Better | None = None


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
        title="Quality over delivered",
        unit="share",
        better="higher",
        meaning="Mean of the suite's primary metric over answers that were delivered and scored. "
        "Failures, blocks and unscored answers are not in it; their number stands beside it.",
        denominator="delivered and scored answers",
    ),
    Measure(
        key="quality_planned",
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
