"""evalkit as a library: what the command line does, as functions, frames and records.

The names here are those of `import evalkit`. Everything else is internal and may change.
"""

from __future__ import annotations

from evalkit.api.judging import calibrate, compare, gate, gate_sequentially, write_report
from evalkit.api.labelling import label, label_status
from evalkit.api.looking import (
    check_provider,
    check_suites,
    discover,
    load,
    providers,
    runs,
    schema,
    serve,
    suites,
)
from evalkit.api.objects import Comparison, Planned, Run, Verdict
from evalkit.api.options import Conduct, Selection
from evalkit.api.running import demo, export, import_files, judge, merge, plan, recheck, resume, run, score
from evalkit.errors import EvalkitError

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
