"""What each column of the frames means. The exported Parquet tables have the same columns."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["int64", "float64", "bool", "str"]


class Column(NamedTuple):
    """Type and meaning. `float64` columns hold NaN, `str` columns None, where nothing is known."""

    kind: Kind
    meaning: str


Schema = dict[str, Column]
"""The columns of one table, in order."""

_KEY = {
    "run": Column("int64", "number of the run within this analysis, from 0"),
    "subject": Column("str", "what is compared: the endpoint's id, with `@ run` if several runs have it"),
    "suite": Column("str", "suite id, with version or hash if runs used different contents"),
    "sample": Column("str", "sample id within the suite"),
    "epoch": Column("int64", "repetition, from 1"),
}

GENERATIONS = {
    **_KEY,
    "role": Column("str", "`subject`, or that of a judge or simulated user"),
    "turn": Column("int64", "turn within the trial, from 0"),
    "asked": Column("str", "endpoint that was asked"),
    "outcome": Column("str", "layer that decided how the request ended"),
    "at": Column("float64", "Unix time of the end"),
    "reused": Column("bool", "taken from another run instead of asked"),
    "attempts": Column("int64", "tries on the wire"),
    "input": Column("float64", "input tokens as the host counted them, cached ones included"),
    "cached_input": Column("float64", "input tokens read from a cache"),
    "cache_write": Column("float64", "input tokens written to a cache"),
    "output": Column("float64", "output tokens, reasoning included"),
    "reasoning": Column("float64", "output tokens spent on reasoning"),
    "usd": Column("float64", "US dollars; missing means unpriced, never free"),
    "input_usd": Column("float64", "part of `usd` for uncached input"),
    "cached_usd": Column("float64", "part of `usd` for cached input"),
    "reasoning_usd": Column("float64", "part of `usd` for reasoning"),
    "output_usd": Column("float64", "part of `usd` for other output"),
    "total_s": Column("float64", "seconds from sending to the last byte, of the attempt that was kept"),
    "queued_s": Column("float64", "seconds before that attempt: admission, earlier attempts, pauses"),
    "first_token_s": Column("float64", "seconds to the first token, reasoning counted"),
    "first_answer_s": Column("float64", "seconds to the first token of the answer, reasoning not counted"),
    "served_by": Column("str", "upstream host that a router named"),
    "served_model": Column("str", "model id in the reply"),
    "finish": Column("str", "normalized finish reason"),
    "status": Column("float64", "HTTP status of a failure"),
    "message": Column("str", "message of a failure"),
}

TRIALS = {
    **_KEY,
    "cluster": Column("str", "group of samples that are not independent; repeats of a sample share it"),
    "language": Column("str", "language of the sample"),
    "topic": Column("str", "the sample's topic, else its first tag"),
    "tags": Column("str", "the sample's tags, one a line"),
    "outcome": Column("str", "outcome of the subject's last turn; `pending` if nothing is recorded"),
    "delivered": Column("bool", "an answer arrived that can be judged"),
    "answered": Column("bool", "the host sent a response of any kind"),
    "turns": Column("int64", "turns of the subject"),
    "tries": Column("int64", "tries on the wire over all turns"),
    "reused": Column("bool", "a turn was taken from another run: latency leaves the trial out"),
    "input": Column("float64", "input tokens over all turns; missing if a turn's is"),
    "output": Column("float64", "output tokens over all turns; missing if a turn's is"),
    "reasoning": Column("float64", "reasoning tokens over all turns; missing if a turn's is"),
    "usd": Column("float64", "US dollars over all turns that were answered; missing if one is unpriced"),
    "judge_usd": Column("float64", "US dollars of judges and simulated users; missing if unpriced or none"),
    "total_s": Column("float64", "seconds over all turns"),
    "first_token_s": Column("float64", "seconds to the first token of the first turn"),
    "first_answer_s": Column("float64", "seconds to the first answer token of the first turn"),
    "rate": Column("float64", "output tokens per second after the first token, over all turns"),
    "served_by": Column("str", "upstream hosts that a router named"),
}

SCORES = {
    **_KEY,
    "scorer": Column("str", "scorer that gave the value"),
    "version": Column("str", "its version"),
    "metric": Column("str", "metric"),
    "value": Column("float64", "finite value; missing if unscored"),
    "label": Column("str", "label of a label metric"),
    "answer": Column("str", "what was extracted from the raw answer"),
    "explanation": Column("str", "why this value"),
    "reason": Column("str", "why there is no value"),
    "detail": Column("str", "more on that"),
}

ESTIMATES = {
    "subject": Column("str", "what is compared, as in the other tables"),
    "suite": Column("str", "suite; missing for figures over all suites"),
    "measure": Column("str", "figure, as `docs/statistics.md` names it"),
    "value": Column("float64", "its value; missing if there are no data"),
    "low": Column("float64", "lower end of the interval; missing if the data cannot bound it"),
    "high": Column("float64", "upper end of the interval"),
    "level": Column("float64", "level of the two-sided interval"),
    "n": Column("int64", "denominator: observations that went into the value"),
    "clusters": Column("int64", "independent groups among them"),
    "method": Column("str", "how the interval was made"),
    "failed": Column("int64", "planned observations that failed; not in `n`"),
    "unscored": Column("int64", "planned observations without a score; not in `n`"),
    "note": Column("str", "why a value or an end is missing"),
}

DIFFERENCES = {
    "subject": Column("str", "what is compared"),
    "reference": Column("str", "what it is compared with"),
    "suite": Column("str", "suite; missing for differences over all suites"),
    "measure": Column("str", "figure, as `docs/statistics.md` names it"),
    "form": Column("str", "`difference` (subject minus reference) or `ratio` (subject over reference)"),
    "value": Column("float64", "the difference or ratio; missing if there are no data"),
    "low": Column("float64", "lower end of its interval"),
    "high": Column("float64", "upper end of its interval"),
    "level": Column("float64", "level of the two-sided interval"),
    "n": Column("int64", "common observations"),
    "clusters": Column("int64", "independent groups among them"),
    "better": Column("int64", "common samples on which the subject is better"),
    "worse": Column("int64", "common samples on which the subject is worse"),
    "only_one": Column("int64", "samples that just one of the two delivered"),
    "p_value": Column("float64", "p-value of the test alone"),
    "adjusted": Column("float64", "the same after Holm's correction over all tests of the comparison"),
    "significant": Column("bool", "`adjusted` is at most the error rate"),
    "detectable": Column("float64", "smallest true difference found with 80 % power; missing for ratios"),
}

OUTCOMES = {
    "endpoint": Column("str", "endpoint that was asked"),
    "suite": Column("str", "suite id"),
    "outcome": Column("str", "layer that decided how the request ended"),
    "count": Column("int64", "generations that ended so"),
    "example": Column("str", "message of one failure; empty if there was none"),
}
