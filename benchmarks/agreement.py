"""Coverage of the intervals of Cohen's kappa and Krippendorff's alpha, over designs with known truth.

    python benchmarks/agreement.py            # writes the table of docs/statistics.md
    python benchmarks/agreement.py --print    # prints it and writes nothing

Raters see the true class of a unit with a given probability and else draw a class as common as it is; half of
the units of a cluster share one class. The true coefficients are those of 400,000 units.
"""

from __future__ import annotations

import argparse
import sys
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path[0] = str(ROOT)

from evalkit.stats.agreement import cohen_kappa, krippendorff_alpha  # noqa: E402

if TYPE_CHECKING:
    from numpy.typing import NDArray

PAGE = ROOT / "docs" / "statistics.md"
RUNS = 1_000
NAMES = np.array(["complete", "refusal", "steered"])


class Design(NamedTuple):
    """Units, units in a cluster, share of the most common class, how often a rater sees the class."""

    units: int
    size: int
    common: float
    sees: float


DESIGNS = [Design(*design) for design in product((40, 100, 400), (1, 4), (0.4, 0.8, 0.95), (0.5, 0.85, 0.97))]


def draw(design: Design, raters: int, rng: np.random.Generator, units: int | None = None) -> NDArray[np.str_]:
    """Ratings of shape (units, raters)."""
    n = units or design.units
    shares = [design.common, (1 - design.common) * 0.6, (1 - design.common) * 0.4]
    leader = rng.choice(3, size=-(-n // design.size), p=shares).repeat(design.size)[:n]
    truth = np.where(rng.random(n) < 0.5, leader, rng.choice(3, size=n, p=shares))
    guessed = rng.choice(3, size=(n, raters), p=shares)
    seen: NDArray[np.str_] = NAMES[np.where(rng.random((n, raters)) < design.sees, truth[:, None], guessed)]
    return seen


def covered(design: Design, runs: int = RUNS, seed: int = 1) -> dict[str, tuple[float, float, int]]:
    """For each coefficient: share of intervals that hold the truth, mean width, and runs without one."""
    rng = np.random.default_rng([seed, *(int(1000 * x) for x in design)])
    large = draw(design, 2, rng, 400_000)
    true = cohen_kappa(large[:, 0].tolist(), large[:, 1].tolist()).kappa.value
    assert true is not None
    clusters = (np.arange(design.units) // design.size).tolist()
    found: dict[str, list[tuple[bool, float]]] = {"kappa": [], "alpha of 3": []}
    for _ in range(runs):
        ratings = draw(design, 3, rng)
        kappa = cohen_kappa(ratings[:, 0].tolist(), ratings[:, 1].tolist(), clusters).kappa
        rows = [[None if rng.random() < 0.1 else str(x) for x in row] for row in ratings]
        for name, made in (("kappa", kappa), ("alpha of 3", krippendorff_alpha(rows, clusters))):
            if made.low is not None and made.high is not None:
                found[name].append((made.low <= true <= made.high, made.high - made.low))
    return {
        name: (
            float(np.mean([hit for hit, _ in own])) if own else float("nan"),
            float(np.mean([width for _, width in own])) if own else float("nan"),
            runs - len(own),
        )
        for name, own in found.items()
    }


def main() -> None:
    """Write or print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--print", action="store_true", dest="shown")
    shown = parser.parse_args().shown
    lines = ["| units | a cluster | common class | seen | " + " | ".join(
        f"{name}: held | width | none" for name in ("kappa", "alpha of 3")) + " |",
        "|" + " --- |" * 10]  # fmt: skip
    for design in DESIGNS:
        parts = [f"{held:.1%} | {width:.2f} | {none}" for held, width, none in covered(design).values()]
        lines.append(
            f"| {design.units} | {design.size} | {design.common:g} | {design.sees:g} | "
            + " | ".join(parts)
            + " |"
        )
        print(lines[-1], flush=True)
    if not shown:
        page = PAGE.read_text(encoding="utf-8")
        before, _, rest = page.partition("<!-- agreement -->")
        _, _, after = rest.partition("<!-- /agreement -->")
        table = "\n".join(lines)
        PAGE.write_text(
            f"{before}<!-- agreement -->\n\n{table}\n\n<!-- /agreement -->{after}", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
