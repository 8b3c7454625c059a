"""How many labels a corrected rate needs: coverage and width by labels in each language, in known worlds.

    python benchmarks/labels.py               # about two minutes on one core; prints a table
    python benchmarks/labels.py --worlds 25

The worlds are those of `tests/analysis/probes/test_corrected_worlds.py`: an endpoint that declines, steers
and blocks, judged by a panel that errs more in Chinese, with topics that are alike in both languages.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path[0] = str(ROOT)

from evalkit.analysis.probes.corrected import corrected_rates  # noqa: E402
from tests.analysis.probes.judged import METRIC, judged, with_labels  # noqa: E402
from tests.analysis.probes.test_corrected_worlds import (  # noqa: E402
    MEASURES,
    SAMPLES,
    covers,
    expected,
    one_errs,
    truth,
)

HOST = "x:m"
NUMBERS = (10, 15, 20, 30, 40, 60)
FIRST_SEED = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description="Coverage and width of corrected rates by number of labels.")
    parser.add_argument("--worlds", type=int, default=250)
    worlds = parser.parse_args().worlds
    held: Counter[tuple[int, str]] = Counter()
    widths: Counter[tuple[int, str]] = Counter()
    for seed in range(FIRST_SEED, FIRST_SEED + worlds):
        rng = random.Random(seed)
        run, true = judged(SAMPLES, {HOST: truth(HOST, rng)}, one_errs(rng), epochs=2)
        for number in NUMBERS:
            some = with_labels(run, true, number, seed=seed)
            found = corrected_rates([some], METRIC, needed=number)["probes"]
            for measure in MEASURES:
                estimate = found.rates[HOST, measure.key].estimate
                held[number, measure.key] += covers(estimate, expected((HOST, measure.key, "rate")))
                widths[number, measure.key] += round(1e6 * (estimate.half_width or 0))
    print("| labels in each language |", " | ".join(measure.key for measure in MEASURES), "|")
    print("|---" * (len(MEASURES) + 1) + "|")
    for number in NUMBERS:
        cells = [
            f"{held[number, m.key] / worlds:.1%}, ±{widths[number, m.key] / worlds / 1e4:.1f}"
            for m in MEASURES
        ]
        print(f"| {number} |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
