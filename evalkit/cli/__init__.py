"""The command line: words, options and tables. What a command does is in `evalkit.app`.

Nothing heavy is imported before a command runs, so that `evalkit --help` is at once there.
"""

from __future__ import annotations

import os
import sys
import traceback

from evalkit.cli import gates, hosts, interop, judges, labelling, look, merging, planning, probes, runs
from evalkit.cli.root import app
from evalkit.errors import EvalkitError, ExitCode

__all__ = [
    "app",
    "gates",
    "hosts",
    "interop",
    "judges",
    "labelling",
    "look",
    "main",
    "merging",
    "planning",
    "probes",
    "runs",
]


def main() -> None:
    """Run the command line and exit with an `ExitCode`."""
    try:
        app()
    except EvalkitError as error:
        sys.stdout.flush()
        print(f"evalkit: {error}", file=sys.stderr)  # noqa: T201  # the one place that speaks to a terminal
        sys.exit(int(error.exit_code))
    except KeyboardInterrupt:
        print("evalkit: interrupted; what was answered is kept.", file=sys.stderr)  # noqa: T201
        sys.exit(int(ExitCode.INTERRUPTED))
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(int(ExitCode.OK))
    except Exception as error:  # noqa: BLE001  # left alone, it would end with 1, which is a gate's verdict
        sys.stdout.flush()
        print(f"evalkit: {_fault(error)}", file=sys.stderr)  # noqa: T201
        if os.environ.get("EVALKIT_TRACEBACK"):
            traceback.print_exception(error)
        sys.exit(int(ExitCode.INTERNAL))


def _fault(error: Exception) -> str:
    """What went wrong where, and what it means for the user."""
    at = traceback.extract_tb(error.__traceback__)[-1]
    where = "; ".join((f"{at.filename}:{at.lineno}", *getattr(error, "__notes__", ())))
    return (
        f"{type(error).__name__}: {error} ({where}). This is a fault of evalkit or of a plugin; what was "
        "answered is kept. Mend the plugin or report it; EVALKIT_TRACEBACK=1 prints the whole trace."
    )
