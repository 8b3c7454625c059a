"""Compare the same open weights on different hosts, honestly.

    import evalkit

    run = evalkit.run("coding@demo", weights="HuggingFaceTB/SmolLM2-135M-Instruct")
    run.trials                    # a pandas frame; the columns are documented
    evalkit.compare(run)          # every endpoint with the reference
    run.report("report.html")

Importing evalkit imports nothing else; a name is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evalkit.api import (
        Comparison,
        Conduct,
        EvalkitError,
        Planned,
        Run,
        Selection,
        Verdict,
        calibrate,
        check_provider,
        check_suites,
        compare,
        demo,
        discover,
        export,
        gate,
        gate_sequentially,
        import_files,
        label,
        label_status,
        load,
        merge,
        plan,
        providers,
        recheck,
        resume,
        run,
        runs,
        schema,
        score,
        serve,
        suites,
        write_report,
    )

__version__ = "0.1.0"

__all__ = [
    "Comparison",
    "Conduct",
    "EvalkitError",
    "Planned",
    "Run",
    "Selection",
    "Verdict",
    "calibrate",
    "check_provider",
    "check_suites",
    "compare",
    "demo",
    "discover",
    "export",
    "gate",
    "gate_sequentially",
    "import_files",
    "judge",
    "label",
    "label_status",
    "load",
    "merge",
    "plan",
    "providers",
    "recheck",
    "resume",
    "run",
    "runs",
    "schema",
    "score",
    "serve",
    "suites",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'evalkit' has no attribute {name!r}")
    from evalkit import api

    value = globals()[name] = getattr(api, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
