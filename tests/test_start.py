"""Importing is fast because nothing heavy is imported: the imports are listed, not timed."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    "aiohttp",
    "anthropic",
    "datasets",
    "genai_prices",
    "httpx2",
    "jinja2",
    "lm_eval",
    "matplotlib",
    "mlflow",
    "msgspec",
    "numpy",
    "openai",
    "pandas",
    "pyarrow",
    "scipy",
    "statsmodels",
    "tenacity",
    "wandb",
    "xllamacpp",
    "yaml",
    "zstandard",
}


def imported_by(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint('\\n'.join(sorted(sys.modules)), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in done.stderr.split()}


@pytest.mark.parametrize(
    "code",
    [
        "import evalkit",
        "import evalkit.cli",
        "import evalkit.cli\ntry: evalkit.cli.app(['--help'])\nexcept SystemExit: pass",
    ],
    ids=["package", "command line", "help"],
)
def test_nothing_heavy_is_imported(code: str) -> None:
    assert imported_by(code) & HEAVY == set()
