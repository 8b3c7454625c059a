"""Runs recorded answers of others through importer, scorers, statistics and report, and writes the tables.

    python benchmarks/probes_scale.py DATA            # writes the tables of docs/probes.md, some minutes
    python benchmarks/probes_scale.py DATA --print    # prints them and writes nothing

DATA holds `speechmap-political/` (xlr8harder: 11,050 answers of 37 models, labels of two language models) and
`freedombench/` (Lore-Hex: 2,160 answers to forced choices, and the same weights on two hosts). Nothing of
them is kept: runs are made in a folder of their own and deleted.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path[0] = str(ROOT)

from benchmarks.marks import put, table  # noqa: E402
from benchmarks.probes_sets import freedom_rows, imported, pair_rows, scored, speechmap_rows  # noqa: E402
from evalkit.analysis.probes.attribution import attribute  # noqa: E402
from evalkit.analysis.probes.classes import NOT_COMPLETE  # noqa: E402
from evalkit.analysis.probes.rates import excess, measured  # noqa: E402
from evalkit.analysis.probes.rows import ProbeRows, probe_rows  # noqa: E402
from evalkit.app.look import load_run  # noqa: E402
from evalkit.report.page import write_report  # noqa: E402
from evalkit.stats.intervals import wilson  # noqa: E402
from evalkit.types.provider import Weights  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.analysis.probes.classes import Row
    from evalkit.analysis.rundata import RunData
    from evalkit.types.estimate import Estimate

PAGE = ROOT / "docs" / "probes.md"
SHOWN = (
    "deepseek_deepseek-r1-0528", "deepseek_deepseek-r1", "deepseek_deepseek-chat-v3-0324",
    "deepseek_deepseek-r1-zero", "qwen_qwen-max", "qwen_qwen3-235b-a22b", "qwen_qwen-2.5-72b-instruct",
    "thudm_glm-4-32b-0414", "thudm_glm-4-z1-32b-0414", "meta-llama_llama-3.1-70b-instruct",
    "openai_gpt-4o-2024-11-20", "openai_gpt-oss-120b", "anthropic_claude-3-5-sonnet-20241022",
    "perplexity_r1-1776", "x-ai_grok-3-beta",
)  # fmt: skip
PUBLISHED = {
    "deepseek_deepseek-r1-0528": ("+72 [58, 84]", "+98 [94, 100]"),
    "deepseek_deepseek-r1": ("+65 [51, 77]", "+63 [49, 74]"),
    "deepseek_deepseek-chat-v3-0324": ("+49 [36, 62]", "+89 [80, 97]"),
    "deepseek_deepseek-r1-zero": ("+2 [-3, 9]", "+6 [-1, 14]"),
    "qwen_qwen-max": ("+47 [33, 62]", "+75 [64, 85]"),
    "qwen_qwen3-235b-a22b": ("+37 [24, 51]", "+67 [53, 79]"),
    "qwen_qwen-2.5-72b-instruct": ("+10 [2, 20]", "+60 [46, 74]"),
    "thudm_glm-4-32b-0414": ("+7 [-1, 15]", "+19 [8, 31]"),
    "thudm_glm-4-z1-32b-0414": ("0", "+32 [20, 46]"),
    "meta-llama_llama-3.1-70b-instruct": ("+3 [-2, 9]", "+47 [33, 61]"),
    "openai_gpt-4o-2024-11-20": ("+1 [-4, 8]", "+19 [7, 31]"),
    "openai_gpt-oss-120b": ("+19 [6, 33]", "+25 [10, 39]"),
    "anthropic_claude-3-5-sonnet-20241022": ("0 [-15, 15]", "+30 [19, 41]"),
    "perplexity_r1-1776": ("+4 [0, 10]", "+38 [24, 50]"),
    "x-ai_grok-3-beta": ("0", "0"),
}
"""What a percentile bootstrap over prompts gives, computed apart from this project from the same labels."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Run recorded answers of others through everything.")
    parser.add_argument("data", type=Path, help="folder with speechmap-political/ and freedombench/")
    parser.add_argument("--print", action="store_true", help="print the tables and write nothing")
    parser.add_argument("--keep", type=Path, help="keep runs and report here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = options.keep or Path(made)
        folder.mkdir(exist_ok=True)
        parts = {**speechmap(options.data, folder), **freedombench(options.data, folder)}
    text = PAGE.read_text(encoding="utf-8")
    for name, part in parts.items():
        print(part, end="\n\n")
        text = text if options.print else put(text, name, part)
    if not options.print:
        PAGE.write_text(text, encoding="utf-8")


def judged(run: RunData, name: str) -> ProbeRows:
    (gathered,) = probe_rows([run], name)
    return gathered


def as_english(rows: Sequence[Row], language: str) -> list[Row]:
    """The home set in one language beside the English controls, as the published figures compare them."""
    kept = (row for row in rows if row.jurisdiction != "CN" or row.language == language)
    return [msgspec.structs.replace(row, language="en") for row in kept]


def points(estimate: Estimate) -> str:
    if estimate.value is None:
        return "none"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value * 100:+.0f}"
    return f"{estimate.value * 100:+.0f} [{estimate.low * 100:.0f}, {estimate.high * 100:.0f}]"


def percentile(rows: Sequence[Row]) -> str:
    """Home less the mean of the control sets, each prompt of each set drawn anew: the published recipe."""
    import numpy as np

    valid = [row for row in rows if row.label in NOT_COMPLETE.among]
    sets = {
        place: np.array(
            [row.label in NOT_COMPLETE.counts for row in valid if row.jurisdiction == place], float
        )
        for place in ("CN", "US", "EU", "RU")
    }
    rng = np.random.default_rng(0)

    def drawn(values: Any) -> Any:
        return values[rng.integers(0, values.size, size=(20_000, values.size))].mean(axis=1)

    others = [drawn(sets[place]) for place in ("US", "EU", "RU")]
    draws = drawn(sets["CN"]) - sum(others) / 3
    value = sets["CN"].mean() - float(np.mean([sets[place].mean() for place in ("US", "EU", "RU")]))
    low, high = np.percentile(draws, [2.5, 97.5])
    return f"{value * 100:+.0f}" if low == high else f"{value * 100:+.0f} [{low * 100:.0f}, {high * 100:.0f}]"


def speechmap(data: Path, folder: Path) -> dict[str, str]:
    path, seconds, count = imported(speechmap_rows(data), folder, "political-essays")
    run = load_run(path)
    started = time.perf_counter()
    run = scored(run)
    scoring = time.perf_counter() - started
    started = time.perf_counter()
    gathered = judged(run, "grok")
    by_rules = judged(run, "probe")
    rows_seconds = time.perf_counter() - started
    started = time.perf_counter()
    report = folder / "political-essays.html"
    write_report(report, [run])
    timing = (
        f"{count:,} answers of 37 models: imported in {seconds:.0f} s, scored in {scoring:.0f} s, classed in "
        f"{rows_seconds:.1f} s, and the report with all sections ({report.stat().st_size / 1e6:.1f} MB) in "
        f"{time.perf_counter() - started:.0f} s."
    )
    return {
        "scale": timing,
        "excess": excess_table(gathered.rows),
        "blocks": blocks(gathered.rows),
        "floor": floor_table(by_rules.rows, gathered.rows, judged(run, "gpt4o").rows),
    }


def of(rows: Sequence[Row], model: str) -> list[Row]:
    return [row for row in rows if row.endpoint == f"speechmap:{model}"]


def excess_table(rows: Sequence[Row]) -> str:
    lines = []
    for model in SHOWN:
        own = of(rows, model)
        line = [model.partition("_")[2]]
        for place in ("US", "EU", "RU", "CN"):
            part = [row for row in own if row.jurisdiction == place and row.language == "en"]
            line.append(f"{(measured(part, NOT_COMPLETE).value or 0) * 100:.0f}")
        line.append(
            f"{(measured([r for r in own if r.language == 'zh'], NOT_COMPLETE).value or 0) * 100:.0f}"
        )
        for number, language in enumerate(("en", "zh")):
            compared = as_english(own, language)
            line += [
                PUBLISHED[model][number],
                percentile(compared),
                points(excess(compared, NOT_COMPLETE, "CN").estimate),
            ]
        lines.append(line)
    head = ["model", "US", "EU", "RU", "CN en", "CN zh"]
    head += [
        f"{what} {language}" for language in ("en", "zh") for what in ("published", "bootstrap", "evalkit")
    ]
    return table(head, lines)


def blocks(rows: Sequence[Row]) -> str:
    """Host blocks by model and how, and failures."""
    found = Counter(
        (row.endpoint.partition(":")[2], row.label, row.detail or "")
        for row in rows
        if row.label in {"host_block", "error"}
    )
    return table(
        ["model", "class", "how", "answers"],
        [[model, label, how, str(n)] for (model, label, how), n in sorted(found.items())],
    )


def floor_table(rules: Sequence[Row], one: Sequence[Row], other: Sequence[Row]) -> str:
    """The rules against answers on which both judges agree: any class but complete."""

    def keyed(rows: Sequence[Row]) -> dict[Any, bool]:
        kept = (row for row in rows if row.label in NOT_COMPLETE.among)
        return {(row.endpoint, row.sample): row.label in NOT_COMPLETE.counts for row in kept}

    first, second, floor = keyed(one), keyed(other), keyed(rules)
    place = {(row.endpoint, row.sample): (row.jurisdiction, row.language) for row in rules}
    lines = []
    for wanted in (("CN", "en"), ("CN", "zh"), ("CN", "fi"), ("US", "en"), ("EU", "en"), ("RU", "en")):
        agreed = [
            key
            for key in floor
            if place[key] == wanted and key in first and key in second and first[key] == second[key]
        ]
        truth = [first[key] for key in agreed]
        said = [floor[key] for key in agreed]
        both = sum(t and s for t, s in zip(truth, said, strict=True))
        lines.append(
            [
                " ".join(wanted),
                str(len(agreed)),
                fraction(both, sum(truth)),
                fraction(both, sum(said)),
            ]
        )
    return table(["answers", "both judges agree", "recall", "precision"], lines)


def fraction(hits: int, n: int) -> str:
    if not n:
        return "none"
    low, high = wilson(hits, n)
    return f"{hits / n:.2f} [{low:.2f}, {high:.2f}] ({hits}/{n})"


def chosen_rows(run: RunData, *, retried: bool) -> list[Row]:
    """Forced choices as answers: the right letter is complete, a wrong one steered.

    `retried`: the source asked alone and five times before it recorded an empty answer, with other questions
    answered before and after, so rule R1 holds and an empty answer is a block.
    """
    found = []
    for row in judged(run, "probe").rows:
        label = {"correct": "complete", "incorrect": "steered"}.get(row.label, row.label)
        detail = row.detail
        if retried and row.label == "error" and row.detail == "empty":
            label = "host_block"
        found.append(msgspec.structs.replace(row, label=label, form="forced_choice", detail=detail))
    return found


def freedombench(data: Path, folder: Path) -> dict[str, str]:
    path, _, count = imported(freedom_rows(data), folder, "freedombench")
    rows = chosen_rows(scored(load_run(path)), retried=True)
    spliced = Counter(row.endpoint.partition(":")[2] for row in rows if row.detail == "spliced")
    empty = Counter(row.endpoint.partition(":")[2] for row in rows if row.detail == "empty")
    path, _, _ = imported(pair_rows(data), folder, "freedombench-pair")
    run = scored(load_run(path))
    endpoints = tuple(
        msgspec.structs.replace(
            e, declaration=msgspec.structs.replace(e.declaration, weights=Weights(repo="zai-org/GLM-5.2"))
        )
        for e in run.manifest.endpoints
    )
    run = msgspec.structs.replace(run, manifest=msgspec.structs.replace(run.manifest, endpoints=endpoints))
    pair = chosen_rows(run, retried=True)
    subject = {s.id: s.data["subject"] for own in run.samples.values() for s in own}
    by_subject = [msgspec.structs.replace(row, pair=subject[row.sample]) for row in pair]
    lines = []
    for name, own in (("60 questions", pair), ("12 subjects", by_subject)):
        (part,) = attribute(own, NOT_COMPLETE)
        (test,) = part.tests
        hosts = {h.endpoint: h for h in part.hosts}
        lines.append(
            [
                name,
                f"{test.gains} and {test.losses}",
                f"{test.mcnemar:.0e}",
                f"{test.adjusted:.0e}",
                points(part.model),
                *(points(hosts[f"{host}:glm-5.2"].added) for host in ("zai", "tinfoil")),
            ]
        )
    pairs = table(
        [
            "independent units",
            "only zai, only tinfoil",
            "McNemar exact",
            "flips, Holm",
            "model",
            "zai",
            "tinfoil",
        ],
        lines,
    )
    kinds = ", ".join(f"{n} of {model}" for model, n in sorted(spliced.items()))
    silent = ", ".join(f"{n} of {model}" for model, n in empty.most_common())
    told = (
        f"{count:,} forced choices of 36 routes: {sum(spliced.values())} answers end in a filter's note "
        f"spliced on ({kinds}); {sum(empty.values())} came back empty after five retries ({silent})."
    )
    return {"freedom": f"{told}\n\n{pairs}"}


if __name__ == "__main__":
    main()
