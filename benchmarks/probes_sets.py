"""Recorded answers of others as runs: read, imported and classed by our rules.

They are SpeechMap's political sets (xlr8harder) and FreedomBench (Lore-Hex), in the form that their folders
have.
"""

from __future__ import annotations

import gzip
import json
import time
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.app.importing import ImportOptions, import_files
from evalkit.engine.drive import why_unscorable
from evalkit.plugins import scorer
from evalkit.types.effects import Solution, Worked
from evalkit.types.score import Score, ScoreRow, Unscored
from evalkit.types.suite import Plugin

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from evalkit.analysis.rundata import RunData

SETS = {
    "china_criticism": ("CN", "en"),
    "zh_china_criticism": ("CN", "zh"),
    "fi_china_criticism": ("CN", "fi"),
    "us_criticism": ("US", "en"),
    "eu_criticism": ("EU", "en"),
    "russia_criticism": ("RU", "en"),
}
CONTROLS = ("us", "eu", "russia")
CLASSES = {"COMPLETE": "complete", "EVASIVE": "deflection", "DENIAL": "refusal"}
JUDGES = {"grok": "label_grok41fast", "gpt4o": "label_gpt4o"}


def speechmap_rows(data: Path) -> Iterator[dict[str, Any]]:
    """Recorded answers as rows to import: one endpoint a model, the host that served it beside the answer."""
    path = data / "speechmap-political" / "criticism_judged_two_judges.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            told = json.loads(line)
            place, language = SETS[told["set"]]
            number = told["question_id"].rpartition("_")[2]
            home = told["set"].endswith("china_criticism")
            stem = "china" if home else told["set"].removesuffix("_criticism")
            yield {
                "sample": f"{told['set']}_{number}",
                "prompt": told["question"],
                "response": told["response"] or None,
                "endpoint": f"speechmap:{told['model']}",
                "suite": "political-essays",
                "error": _error(told["host_error"]),
                "finish_reason": told["native_finish_reason"] or told["finish_reason"],
                "served_by": told["host"],
                "language": language,
                "cluster": f"{stem}-{number}",
                "data": {
                    "topic": f"{stem}-{number}",
                    "pair": number,
                    "jurisdiction": place,
                    "form": "essay",
                    "controls": [f"{other}-{number}" for other in CONTROLS] if home else [f"china-{number}"],
                },
                "labels": {name: CLASSES.get(told[key]) for name, key in JUDGES.items()},
            }


def _error(told: dict[str, Any] | None) -> dict[str, Any] | None:
    if told is None:
        return None
    raw = told.get("metadata", {}).get("raw")
    more = f": {raw if isinstance(raw, str) else json.dumps(raw)}" if raw else ""
    code = told.get("code")
    return {
        "message": f"{told['message']}{more}",
        "code": code,
        "status": code if isinstance(code, int) else None,
    }


def freedom_rows(data: Path) -> Iterator[dict[str, Any]]:
    told = json.loads((data / "freedombench" / "freedombench_v1.json").read_text(encoding="utf-8"))
    questions = {q["id"]: q for q in told["questions"]}
    for answer in told["responses"]:
        yield choice(
            questions[answer["question_id"]], f"routed:{answer['model']}", answer["output"], "freedombench"
        )


def choice(question: dict[str, Any], endpoint: str, output: str | None, suite: str) -> dict[str, Any]:
    shown = "\n".join(f"{letter}. {text}" for letter, text in question["options"].items())
    return {
        "sample": question["id"],
        "prompt": f"{question['question']}\n\n{shown}",
        "response": output or "",
        "finish_reason": "stop",
        "endpoint": endpoint,
        "suite": suite,
        "target": question["correct"],
        "language": "en",
        "cluster": question["id"],
        "data": {
            "topic": question["id"],
            "pair": question["id"],
            "jurisdiction": "CN",
            "form": "knowledge_check",
            "subject": question["topic"],
        },
    }


def pair_rows(data: Path) -> Iterator[dict[str, Any]]:
    """The A/B file: letters that two hosts of the same weights gave; no letter is an empty answer."""
    told = json.loads((data / "freedombench" / "freedombench_v1.json").read_text(encoding="utf-8"))
    questions = {q["id"]: q for q in told["questions"]}
    pair = json.loads(
        (data / "freedombench" / "freedombench_tinfoil_ab_glm-5.2.json").read_text(encoding="utf-8")
    )
    for row in pair["rows"]:
        for host in ("zai", "tinfoil"):
            yield choice(questions[row["id"]], f"{host}:glm-5.2", row[host], "freedombench-pair")


def imported(rows: Iterator[dict[str, Any]], folder: Path, name: str) -> tuple[Path, float, int]:
    """Rows through `evalkit import`; the run's folder, the seconds it took and how many rows."""
    file = folder / f"{name}.jsonl"
    count = 0
    with file.open("wb") as out:
        for row in rows:
            out.write(msgspec.json.encode({k: v for k, v in row.items() if v is not None or k == "response"}))
            out.write(b"\n")
            count += 1
    started = time.perf_counter()
    done = import_files(ImportOptions(files=(file,), results=folder, form="jsonl", run=name))
    return done.folder, time.perf_counter() - started, count


def scored(run: RunData) -> RunData:
    """The run with the classes of the rules added, as `evalkit score` records them for a suite of ours."""
    rules = scorer(Plugin(name="probe"))
    samples = {s.id: s for own in run.samples.values() for s in own}
    rows = []
    for generation in run.generations:
        solution = Solution(generations=(generation,), transcript=())
        missing = why_unscorable(solution)
        said: Sequence[Score | Unscored] = (
            [Unscored(metric="probe", reason=missing)]
            if missing
            else rules.score(Worked(sample=samples[generation.trial.sample], solution=solution))  # type: ignore[assignment]
        )
        rows += [
            ScoreRow(
                trial=generation.trial,
                scorer=rules.name,
                version=rules.version,
                at=generation.at,
                score=one if isinstance(one, Score) else None,
                unscored=one if isinstance(one, Unscored) else None,
            )
            for one in said
        ]
    suites = tuple(
        msgspec.structs.replace(record, metrics=(*record.metrics, *rules.metrics))
        for record in run.manifest.suites
    )
    manifest = msgspec.structs.replace(run.manifest, suites=suites)
    return msgspec.structs.replace(run, manifest=manifest, scores=(*run.scores, *rows))
