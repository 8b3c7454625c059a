"""Error rates and savings of the sequential gate, by simulation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from evalkit.stats.power import pairs_needed
from evalkit.stats.sequential import log_capital, projected_capital

ALPHA = 0.05
BATCH = 10


@dataclass(frozen=True)
class Design:
    """A non-inferiority margin, the share of discordant pairs, and how often a prompt is repeated.

    `longest` is where the sequential gate gives up, as a multiple of the fixed design with 80 % power.
    """

    margin: float
    discordance: float
    repeats: int = 1
    longest: float = 3.0


@dataclass(frozen=True)
class Run:
    """One true difference under a design. `fixed` is the fixed design with the same power at no drop."""

    design: Design
    drop: float
    cap: int
    passed: float
    failed: float
    mean_n: float
    fixed: int


DESIGNS = (
    Design(0.05, 0.10),
    Design(0.05, 0.20),
    Design(0.10, 0.20),
    Design(0.03, 0.06),
    Design(0.05, 0.10, longest=2.0),
    Design(0.05, 0.20, repeats=3),
)


def simulate(design: Design, runs: int, seed: int) -> list[Run]:
    """Sequential gates at true drops 0, half, once and twice the margin, looking every `BATCH` samples."""
    margin, discordance = design.margin, design.discordance
    # Repeats share their prompt's fate half of the time, which leaves this share of the variance.
    spread = discordance * (0.5 + 0.5 / design.repeats)
    cap = int(design.longest * pairs_needed(0.0, -margin, spread)) // BATCH * BATCH
    made: list[Run] = []
    power = 0.0
    for number, drop in enumerate((0.0, margin / 2, margin, 2 * margin)):
        rng = np.random.default_rng((seed, number))
        scaled = (_differences(rng, design, drop, (runs, cap)) + 1) / 2
        bar, null = math.log(2 / ALPHA), (1 - margin) / 2
        other, opposite = 1 - scaled, 1 - null
        up = _first(log_capital(scaled, null, margin / 2) >= bar)
        down = _first(log_capital(other, opposite, margin / 2) >= bar)
        hopes = [projected_capital(x, m, margin / 2, cap) for x, m in ((scaled, null), (other, opposite))]
        given_up = _first(np.maximum(*hopes) < bar)
        stop = np.minimum(np.minimum(up, down), np.minimum(given_up, cap))
        passed, failed = float((up == stop).mean()), float((down == stop).mean())
        if number == 0:
            power = passed
        made.append(
            Run(
                design=design,
                drop=drop,
                cap=cap,
                passed=passed,
                failed=failed,
                mean_n=float(stop.mean()),
                fixed=pairs_needed(0.0, -margin, spread, power=power),
            )
        )
    return made


def _differences(rng: np.random.Generator, design: Design, drop: float, size: tuple[int, int]) -> np.ndarray:
    """Differences of a prompt's means, candidate minus baseline, with mean -drop; shape `size`."""
    gains = (design.discordance - drop) / 2

    def draw(u: np.ndarray) -> np.ndarray:
        return np.where(u < gains, 1.0, np.where(u < design.discordance, -1.0, 0.0))

    if design.repeats == 1:
        return draw(rng.random(size))
    common = rng.random(size)
    # sqrt(1/2) of the repeats copy their prompt's draw, so that two of them agree in half of the cases.
    parts = [
        draw(np.where(rng.random(size) < math.sqrt(0.5), common, rng.random(size)))
        for _ in range(design.repeats)
    ]
    total: np.ndarray = np.sum(parts, axis=0) / design.repeats
    return total


def _first(reached: np.ndarray) -> np.ndarray:
    """Samples at the first look at which something is so; infinite where it never is."""
    looks = reached[:, BATCH - 1 :: BATCH]
    return np.where(looks.any(axis=1), (looks.argmax(axis=1) + 1.0) * BATCH, np.inf)
