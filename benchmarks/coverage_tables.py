"""The grid of coverage simulations: which intervals, on which data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from benchmarks.simulation import (
    Cell,
    Draw,
    Shape,
    Table,
    alone,
    binary,
    changes,
    heavy,
    normal,
    threes,
    unequal,
)
from evalkit.stats.bootstrap import cluster_bootstrap
from evalkit.stats.intervals import mean, rate
from evalkit.stats.judge import Calibration, Stratum, prediction_powered, rogan_gladen
from evalkit.stats.paired import paired_difference
from evalkit.stats.passk import mean_pass_at_k
from evalkit.stats.quantiles import paired_quantile_change, quantile
from evalkit.stats.ratios import cost_per_success

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from evalkit.types.estimate import Estimate

    Values = NDArray[np.float64]

DISCRETE, CLUSTERED, BOUNDED, FEW = "d", "c", "b", "f"


def tables() -> list[Table]:
    """All tables of the page, in its order."""
    return [
        _rates(),
        _clustered_rates(),
        _partial_credit(),
        _pairs(),
        _clustered_pairs(),
        _means(),
        _quantiles(),
        _ratios(),
        _pass_at_k(),
        _quantile_changes(),
        _bootstrap(),
        _prediction_powered(),
        _rogan_gladen(),
    ]


def _shapes(*kinds: Callable[[int], Shape]) -> Iterator[Shape]:
    for clusters in (10, 30, 100):
        for kind in kinds:
            yield kind(clusters)


def _label(shape: Shape, icc: float | None = None) -> str:
    text = f"{shape.sizes.size} clusters, {shape.name}"
    return text if icc is None else f"{text}, correlation {icc:g}"


def _rates() -> Table:
    chances = (0.01, 0.02, 0.05, 0.1, 0.3, 0.5, 0.9, 0.98)

    def cell(n: int, p: float) -> Cell:
        shape = alone(n)

        def draw(rng: np.random.Generator) -> Estimate:
            return rate(binary(rng, shape, p, 0))

        return Cell(p, draw, DISCRETE if n * min(p, 1 - p) < 10 else "")

    rows = tuple((f"{n} independent", tuple(cell(n, p) for p in chances)) for n in (10, 30, 100, 300))
    return Table("Rates of independent answers (`rate`), by true rate", tuple(map(str, chances)), rows)


def _clustered_rates() -> Table:
    chances = (0.02, 0.1, 0.5, 0.9)

    def cell(shape: Shape, icc: float, p: float) -> Cell:
        return Cell(p, lambda rng: rate(binary(rng, shape, p, icc), shape.labels), CLUSTERED)

    rows = tuple(
        (_label(shape, icc), tuple(cell(shape, icc, p) for p in chances))
        for shape in _shapes(threes, unequal)
        for icc in (0, 0.3, 1)
    )
    return Table("Rates of clustered answers (`rate`), by true rate", tuple(map(str, chances)), rows)


_CREDITS = {
    "spread evenly": (0.0, 2.0, 2.0),
    "mostly near 1": (0.0, 5.0, 0.5),
    "80 % full, rest even": (0.8, 1.0, 1.0),
    "95 % full, rest even": (0.95, 1.0, 1.0),
}


def _credit(rng: np.random.Generator, shape: Shape, kind: str, *, alike: bool) -> Values:
    full, a, b = _CREDITS[kind]
    size = shape.sizes.size if alike else shape.n
    values = np.where(rng.random(size) < full, 1.0, rng.beta(a, b, size))
    return values[shape.codes] if alike else values


def _partial_credit() -> Table:
    def cells(shape: Shape, *, alike: bool) -> tuple[Cell, ...]:
        made = []
        for kind, (full, a, b) in _CREDITS.items():
            truth = full + (1 - full) * a / (a + b)

            def one(rng: np.random.Generator, kind: str = kind) -> Estimate:
                return rate(_credit(rng, shape, kind, alike=alike), shape.labels)

            def two(rng: np.random.Generator, kind: str = kind) -> Estimate:
                left, right = (_credit(rng, shape, kind, alike=alike) for _ in range(2))
                return paired_difference(left, right, shape.labels)

            made += [Cell(truth, one, BOUNDED), Cell(0.0, two, BOUNDED)]
        return tuple(made)

    head = tuple(f"{what}: {kind}" for kind in _CREDITS for what in ("mean", "difference"))
    rows = tuple(
        (_label(shape) + (", repeats alike" if alike else ""), cells(shape, alike=alike))
        for clusters in (10, 30, 100)
        for shape, alike in ((alone(clusters), False), (threes(clusters), False), (threes(clusters), True))
    )
    return Table("Partial credit between 0 and 1 (`rate`, `paired_difference`)", head, rows)


_DISCORDANCE = ((0.01, 0.01), (0.05, 0.05), (0.1, 0.02), (0.2, 0.2), (0.5, 0.1))


def _pairs() -> Table:
    def cell(n: int, gains: float, losses: float) -> Cell:
        shape = alone(n)

        def draw(rng: np.random.Generator) -> Estimate:
            return paired_difference(*changes(rng, shape, gains, losses, 0))

        return Cell(gains - losses, draw, DISCRETE if n * (gains + losses) < 10 else "")

    head = tuple(f"{g:g} / {x:g}" for g, x in _DISCORDANCE)
    rows = tuple((f"{n} pairs", tuple(cell(n, *d) for d in _DISCORDANCE)) for n in (10, 30, 100, 300))
    return Table("Paired differences (`paired_difference`), by chance of a gain / a loss", head, rows)


def _clustered_pairs() -> Table:
    def cell(shape: Shape, icc: float, gains: float, losses: float) -> Cell:
        def draw(rng: np.random.Generator) -> Estimate:
            return paired_difference(*changes(rng, shape, gains, losses, icc), shape.labels)

        return Cell(gains - losses, draw, CLUSTERED)

    some = _DISCORDANCE[:4]
    rows = tuple(
        (_label(shape, icc), tuple(cell(shape, icc, *d) for d in some))
        for shape in _shapes(threes, unequal)
        for icc in (0, 0.4, 1)
    )
    head = tuple(f"{g:g} / {x:g}" for g, x in some)
    return Table("Paired differences in clusters (`paired_difference`)", head, rows)


def _means() -> Table:
    tails = {"normal": 0.0, "long tail (log-normal, 0.5)": 0.5, "very long tail (log-normal, 1)": 1.0}

    def cell(shape: Shape, icc: float, sigma: float) -> Cell:
        def draw(rng: np.random.Generator) -> Estimate:
            z = normal(rng, shape, icc)
            return mean(z if sigma == 0 else np.exp(sigma * z), shape.labels)

        return Cell(0.0 if sigma == 0 else float(np.exp(sigma**2 / 2)), draw, FEW)

    rows = tuple(
        (_label(shape, icc), tuple(cell(shape, icc, sigma) for sigma in tails.values()))
        for shape in _shapes(alone, threes, unequal, heavy)
        for icc in ((0,) if shape.labels is None else (0, 0.5))
    )
    return Table("Means of unbounded values (`mean`, `paired_mean_difference`)", tuple(tails), rows)


def _quantiles() -> Table:
    levels = (0.5, 0.9, 0.95)

    def cell(shape: Shape, icc: float, q: float) -> Cell:
        truth = float(np.exp(stats.norm.ppf(q)))
        reason = DISCRETE if shape.labels is None else CLUSTERED
        return Cell(truth, lambda rng: quantile(np.exp(normal(rng, shape, icc)), q, shape.labels), reason)

    rows = tuple(
        (_label(shape, icc), tuple(cell(shape, icc, q) for q in levels))
        for shape in _shapes(alone, threes, unequal)
        for icc in ((0,) if shape.labels is None else (0, 0.5, 0.95))
    )
    return Table("Quantiles (`quantile`)", tuple(f"p{100 * q:g}" for q in levels), rows)


def _ratios() -> Table:
    chances = (0.05, 0.3, 0.7, 0.95, 1.0)

    def cell(shape: Shape, sigma: float, p: float) -> Cell:
        truth = float(np.exp(sigma**2 / 2)) * (p + (1 - p) * np.exp(0.5)) / p

        def draw(rng: np.random.Generator) -> Estimate:
            success = binary(rng, shape, p, 0)
            costs = np.exp(sigma * rng.standard_normal(shape.n) + 0.5 * (1 - success))
            return cost_per_success(costs, success, shape.labels)

        return Cell(truth, draw, CLUSTERED if shape.labels else DISCRETE)

    rows = tuple(
        (f"{_label(shape)}, cost spread {sigma:g}", tuple(cell(shape, sigma, p) for p in chances))
        for shape in _shapes(alone, threes)
        for sigma in (0.3, 0.8)
    )
    return Table("Cost per success (`cost_per_success`), by success rate", tuple(map(str, chances)), rows)


def _pass_at_k() -> Table:
    kinds = {"pass@3": False, "pass^3": True}
    skills = {"even skill": (1.0, 1.0), "all or nothing": (0.2, 0.2)}

    def cell(samples: int, a: float, b: float, *, every: bool) -> Cell:
        grid = stats.beta(a, b)
        truth = float(grid.expect(lambda p: p**3 if every else 1 - (1 - p) ** 3))

        def draw(rng: np.random.Generator) -> Estimate:
            won = rng.binomial(5, rng.beta(a, b, samples))
            return mean_pass_at_k([5] * samples, won.tolist(), 3, every=every)

        return Cell(truth, draw, BOUNDED)

    head = tuple(f"{kind}, {skill}" for kind in kinds for skill in skills)
    rows = tuple(
        (
            f"{samples} samples, 5 trials each",
            tuple(cell(samples, *ab, every=every) for every in kinds.values() for ab in skills.values()),
        )
        for samples in (20, 60, 160)
    )
    return Table("pass@k and pass^k (`mean_pass_at_k`)", head, rows)


def _quantile_changes() -> Table:
    def cell(shape: Shape, q: float) -> Cell:
        truth = 1.2 * float(np.exp(stats.norm.ppf(q) * (np.sqrt(1.09) - 1)))

        def draw(rng: np.random.Generator) -> Estimate:
            b = np.exp(normal(rng, shape, 0.5))
            return paired_quantile_change(1.2 * b * rng.lognormal(0, 0.3, shape.n), b, q, shape.labels)

        return Cell(truth, draw, CLUSTERED if shape.labels else DISCRETE)

    rows = tuple(
        (_label(shape), tuple(cell(shape, q) for q in (0.5, 0.9)))
        for shape in (alone(50), alone(200), threes(50))
    )
    title = "Ratio of two endpoints' quantiles (`paired_quantile_change`)"
    return Table(title, ("p50", "p90"), rows)


def _bootstrap() -> Table:
    def excess(shape: Shape) -> Cell:
        def draw(rng: np.random.Generator) -> Estimate:
            probe, control = binary(rng, shape, 0.5, 0.3), binary(rng, shape, 0.2, 0.3)
            return cluster_bootstrap(
                lambda rows: float(probe[rows].mean() - control[rows].mean()),
                shape.n,
                shape.labels,
                resamples=399,
            )

        return Cell(0.3, draw, FEW)

    def relative(shape: Shape) -> Cell:
        def draw(rng: np.random.Generator) -> Estimate:
            a, b = binary(rng, shape, 0.5, 0.3), binary(rng, shape, 0.4, 0.3)
            return cluster_bootstrap(
                lambda rows: float(a[rows].sum() / max(b[rows].sum(), 0.5)),
                shape.n,
                shape.labels,
                resamples=399,
            )

        return Cell(1.25, draw, FEW)

    rows = tuple((_label(shape), (excess(shape), relative(shape))) for shape in (threes(20), threes(60)))
    title = "Cluster bootstrap (`cluster_bootstrap`, 399 resamples)"
    return Table(title, ("difference of two rates", "ratio of two rates"), rows)


_JUDGES = {"sens. 0.80, spec. 0.90": (0.8, 0.9), "0.95, 0.98": (0.95, 0.98), "0.99, 0.999": (0.99, 0.999)}
_RATES = (0.02, 0.1, 0.4, 0.9)


def _judged(rng: np.random.Generator, n: int, p: float, judge: tuple[float, float]) -> tuple[Values, Values]:
    truth = rng.random(n) < p
    verdict = np.where(truth, rng.random(n) < judge[0], rng.random(n) >= judge[1])
    return truth.astype(float), verdict.astype(float)


def _judge_table(title: str, make: Callable[[int, float, tuple[float, float]], Draw]) -> Table:
    rows = tuple(
        (
            f"{labels} labels, {4 * labels} without, {name}",
            tuple(Cell(p, make(labels, p, judge), DISCRETE) for p in _RATES),
        )
        for labels in (40, 100, 300)
        for name, judge in _JUDGES.items()
    )
    return Table(title, tuple(map(str, _RATES)), rows)


def _prediction_powered() -> Table:
    def make(labels: int, p: float, judge: tuple[float, float]) -> Draw:
        def draw(rng: np.random.Generator) -> Estimate:
            truth, judged = _judged(rng, labels, p, judge)
            _, others = _judged(rng, 4 * labels, p, judge)
            return prediction_powered([Stratum(truth=truth, judged=judged, unlabelled=others)])

        return draw

    return _judge_table("Judge corrected by labels, PPI++ (`prediction_powered`), by true rate", make)


def _rogan_gladen() -> Table:
    def make(labels: int, p: float, judge: tuple[float, float]) -> Draw:
        def draw(rng: np.random.Generator) -> Estimate:
            half = labels // 2
            card = Calibration(
                positives=half,
                found=int(rng.binomial(half, judge[0])),
                negatives=half,
                left=int(rng.binomial(half, judge[1])),
            )
            return rogan_gladen(_judged(rng, 4 * labels, p, judge)[1], card)

        return draw

    return _judge_table("Judge corrected by sensitivity and specificity (`rogan_gladen`), by true rate", make)
