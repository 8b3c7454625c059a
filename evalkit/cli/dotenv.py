"""Reads keys from a project's `.env` into the environment, where they are not set already."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_LINE = re.compile(
    r"""^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^#\n]*?))\s*(?:#.*)?$"""
)


def load_dotenv(path: Path) -> None:
    """Set what `path` declares. A missing file is fine; lines that are no assignment are left alone."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return
    for line in lines:
        match = _LINE.match(line)
        if match:
            value = next((group for group in match.groups()[1:] if group is not None), "")
            os.environ.setdefault(match[1], value)
