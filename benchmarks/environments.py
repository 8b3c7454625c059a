"""Sizes of environments and times of imports, of the base and of each extra.

Run: python -m benchmarks.environments [EXTRA ...]. It makes a virtual environment for each, installs with
the project's constraints, and prints a table. Times are medians of seven fresh interpreters.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IMPORTS = {
    "base": "evalkit",
    "anthropic": "anthropic",
    "datasets": "datasets",
    "embedded": "gguf",
    "inspect": "zstandard",
    "lm-eval": "lm_eval",
    "mlflow": "mlflow",
    "otel": "opentelemetry.sdk",
    "parquet": "pyarrow.parquet",
    "ray": "ray",
    "wandb": "wandb",
}
ROUNDS = 7


def main() -> None:
    """Measure what is named, else everything."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    wanted = sys.argv[1:] or ["base", *sorted(declared)]
    print("| environment | MB | packages | install, s | import | its import, ms | `import evalkit`, ms |")
    print("|---|---|---|---|---|---|---|")
    for name in wanted:
        with tempfile.TemporaryDirectory() as folder:
            print(row(name, Path(folder)), flush=True)


def row(name: str, folder: Path) -> str:
    """One environment, measured."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = str(folder / "bin" / "python")
    what = str(ROOT) if name == "base" else f"{ROOT}[{name}]"
    started = time.monotonic()
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "-qq"]
    subprocess.run([*pip, "-c", str(ROOT / "constraints.txt"), what], check=True)
    seconds = time.monotonic() - started
    size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file() and not f.is_symlink()) / 1e6
    packages = len(list(folder.glob("lib/*/site-packages/*.dist-info")))
    module = IMPORTS.get(name, name)
    own = milliseconds(python, module)
    evalkit = milliseconds(python, "evalkit")
    return f"| {name} | {size:,.0f} | {packages} | {seconds:.0f} | `{module}` | {own:,.0f} | {evalkit:.0f} |"


def milliseconds(python: str, module: str) -> float:
    """Median time that a fresh interpreter takes to import a module, its own start included."""
    times = []
    for _ in range(ROUNDS + 1):
        started = time.perf_counter()
        subprocess.run([python, "-c", f"import {module}"], check=True, capture_output=True)
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times[1:])


if __name__ == "__main__":
    main()
