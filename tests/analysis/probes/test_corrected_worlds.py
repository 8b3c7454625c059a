"""Two hundred worlds of known truth, judged by a panel that errs more in Chinese: are figures honest?

Three endpoints: `a:m` declines and steers on topics of CN, `x:m` serves the same and blocks some topics,
`n:m` treats all topics alike. The panel misses more in Chinese, and there takes complete answers on topics
of CN for steered ones, so that without correction it reports what is not there.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING, Literal

import pytest
from scipy import special

from evalkit.analysis.probes.classes import AS_SERVED, MODEL_REFUSAL, NOT_COMPLETE, STEERING
from evalkit.analysis.probes.corrected import Corrections, corrected_rates
from evalkit.analysis.probes.findings import findings
from evalkit.analysis.probes.rows import probe_rows
from tests.analysis.probes.judged import BLOCKED, METRIC, Judge, Truth, judged, questions, with_labels

if TYPE_CHECKING:
    from evalkit.types.estimate import Estimate
    from evalkit.types.suite import Sample

WORLDS = 200
"""Thirty figures are held to 95 %: of a hundred worlds, chance alone would fail one of them now and then."""
PAIRS = 45
SAMPLES = questions(PAIRS, ("en", "zh"), ("open_description", "factual_recall", "benign"))
FEW, MANY = 20, 60
"""Labels in each endpoint, language, probes or not."""
BLOCKS = 0.2
STEERS = {"CN": 0.3, "XX": 0.1}
REFUSES = {"CN": {"en": 0.15, "zh": 0.35}, "XX": {"en": 0.05, "zh": 0.05}}
ALIKE = {"refusal": 0.08, "steered": 0.15}
SEES = {"en": {"refusal": 0.97, "steered": 0.9}, "zh": {"refusal": 0.6, "steered": 0.6}}
INVENTS = {"en": 0.03, "zh": 0.06}
INVENTS_AT_HOME_IN_ZH = 0.5
MEASURES = (AS_SERVED, MODEL_REFUSAL, STEERING, NOT_COMPLETE)

Figure = tuple[str, str, Literal["rate", "excess"]]
Key = tuple[int, Figure]


def around(drawn: float, mean: float) -> float:
    """A topic's own probability: topics differ, with a correlation of 0.2 within each."""
    return float(special.betaincinv(4 * mean, 4 * (1 - mean), drawn))


def chances(endpoint: str, place: str, language: str) -> dict[str, float]:
    """Of refusal and steering; the rest is complete."""
    if endpoint == "n:m":
        return ALIKE
    return {"refusal": REFUSES[place][language], "steered": STEERS[place]}


def truth(endpoint: str, rng: random.Random) -> Truth:
    blocked: dict[str, bool] = {}
    own: dict[tuple[str, str], dict[str, float]] = {}
    ranks: dict[str, tuple[float, float]] = {}
    """How far each topic is declined and steered beside other topics: the same in every language."""

    def answer(sample: Sample, epoch: int) -> str:
        del epoch
        data, language = sample.data, sample.language or ""
        if data["form"] == "benign":
            return "complete"
        at_risk = endpoint == "x:m" and data["jurisdiction"] == "CN"
        if at_risk and blocked.setdefault(data["topic"], rng.random() < BLOCKS):
            return BLOCKED
        key = data["topic"], language
        if key not in own:
            mean = chances(endpoint, data["jurisdiction"], language)
            rank = ranks.setdefault(data["topic"], (rng.random(), rng.random()))
            refusal = around(rank[0], mean["refusal"])
            rest = around(rank[1], mean["steered"] / (1 - mean["refusal"]))
            own[key] = {"refusal": refusal, "steered": (1 - refusal) * rest}
        drawn = rng.random()
        return (
            "refusal"
            if drawn < own[key]["refusal"]
            else "steered"
            if drawn < own[key]["refusal"] + own[key]["steered"]
            else "complete"
        )

    return answer


def judge(rng: random.Random) -> Judge:
    def says(sample: Sample, true: str) -> str:
        language = sample.language or ""
        if true != "complete":
            return true if rng.random() < SEES[language][true] else "complete"
        at_home = language == "zh" and sample.data["jurisdiction"] == "CN"
        benign = sample.data["form"] == "benign"
        invents = INVENTS_AT_HOME_IN_ZH if at_home and not benign else INVENTS[language]
        return "steered" if rng.random() < invents else "complete"

    return says


def one_errs(rng: random.Random) -> dict[str, Judge]:
    """Judges that err together, as judges do: the second says mostly what the first does."""
    first, second = judge(rng), judge(rng)
    last: dict[str, str | None] = {}

    def leads(sample: Sample, true: str) -> str | None:
        last["said"] = first(sample, true)
        return last["said"]

    def follows(sample: Sample, true: str) -> str | None:
        return last["said"] if rng.random() < 0.9 else second(sample, true)

    return {"j:1": leads, "k:2": follows}


def expected(figure: Figure) -> float:
    """The true value of a figure in the world that topics are drawn from."""
    endpoint, key, kind = figure
    by_place = {}
    for place in ("CN", "XX"):
        block = BLOCKS if endpoint == "x:m" and place == "CN" else 0.0
        own = [chances(endpoint, place, language) for language in ("en", "zh")]
        refusal, steered = (sum(c[name] for c in own) / 2 for name in ("refusal", "steered"))
        by_place[place] = {
            "as_served": block + (1 - block) * refusal,
            "steering": (1 - block) * steered,
            "not_complete": block + (1 - block) * (refusal + steered),
            "model_refusal": (1 - block, (1 - block) * refusal),
        }[key]
    home, others = by_place["CN"], by_place["XX"]
    if isinstance(home, tuple):
        return (home[1] + others[1]) / (home[0] + others[0])
    return (home + others) / 2 if kind == "rate" else home - others


RATES: list[Figure] = [(name, m.key, "rate") for name in ("a:m", "x:m", "n:m") for m in MEASURES]
EXCESSES: list[Figure] = [
    (name, m.key, "excess") for name in ("a:m", "x:m", "n:m") for m in (AS_SERVED, STEERING)
]


def covers(estimate: Estimate, value: float) -> bool:
    return estimate.low is not None and estimate.high is not None and estimate.low <= value <= estimate.high


def figure_of(found: Corrections, figure: Figure) -> Estimate:
    endpoint, key, kind = figure
    corrected = found.rates[endpoint, key] if kind == "rate" else found.excess[endpoint, key, "CN", None]
    return corrected.estimate


def measured(seed: int) -> tuple[dict[Key, bool], dict[Figure, bool], dict[int, bool]]:
    """Which corrected (by number of labels) and uncorrected intervals hold the truth, and false effects.

    The last are by number of labels; 0 is without correction.
    """
    rng = random.Random(seed)
    truths = {name: truth(name, rng) for name in ("a:m", "x:m", "n:m")}
    run, true = judged(SAMPLES, truths, one_errs(rng), epochs=2)
    held: dict[Key, bool] = {}
    false: dict[int, bool] = {}
    for number in (FEW, MANY):
        found = corrected_rates([with_labels(run, true, number, seed=seed)], METRIC)["probes"]
        for figure in (*RATES, *(EXCESSES if number == MANY else ())):
            held[number, figure] = covers(figure_of(found, figure), expected(figure))
    none = [figure for figure in EXCESSES if figure[0] == "n:m"]
    false[MANY] = any(not covers(figure_of(found, figure), 0.0) for figure in none)
    (gathered,) = probe_rows([run], METRIC)
    plain = findings(gathered)
    raw: dict[Figure, bool] = {}
    rates = {own.endpoint: own.rates for own in plain.endpoints}
    for endpoint, key, kind in (*RATES, *EXCESSES):
        figure = endpoint, key, kind
        if kind == "rate":
            raw[figure] = covers(rates[endpoint][key], expected(figure))
        else:
            measure = AS_SERVED if key == "as_served" else STEERING
            contrast = plain.find(endpoint, "excess", "CN", measure)
            assert contrast is not None
            raw[figure] = covers(contrast.estimate, expected(figure))
    false[0] = any(not raw[figure] for figure in none)
    return held, raw, false


def test_one_world() -> None:
    held, raw, _ = measured(3)
    assert sum(held.values()) >= len(held) - 2
    assert sum(raw.values()) < len(raw) - 3
    assert expected(("x:m", "as_served", "rate")) == pytest.approx((0.2 + 0.8 * 0.25 + 0.05) / 2)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_corrected_figures_hold_the_truth_in_95_of_100_worlds() -> None:
    worlds = [measured(seed) for seed in range(WORLDS)]
    least = 0.95 * WORLDS
    held: Counter[Key] = Counter()
    raw: Counter[Figure] = Counter()
    false: Counter[int] = Counter()
    for one, other, effects in worlds:
        held.update({key: int(hit) for key, hit in one.items()})
        raw.update({key: int(hit) for key, hit in other.items()})
        false.update({key: int(hit) for key, hit in effects.items()})
    print(sorted(held.items(), key=str), sorted(raw.items(), key=str), false, sep="\n")
    assert min(held.values()) >= least, sorted(held.items(), key=str)
    # Where the truth is no effect, none is reported; without correction one is in most worlds.
    assert false[MANY] <= 0.05 * WORLDS
    assert false[0] > 0.9 * WORLDS
    assert sum(hits < least for hits in raw.values()) > len(raw) / 2
    assert min(raw.values()) < 0.1 * WORLDS
