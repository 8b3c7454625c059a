"""From recorded runs to one HTML file that needs nothing else.

The page allows itself its own script and styles by their hashes and nothing more: no request, no frame, no
form, no markup made by script. Model output is in deflated blocks that only text nodes show.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from evalkit.errors import InfrastructureError, UsageError
from evalkit.report.basis import build_basis
from evalkit.report.charts import pictures
from evalkit.report.evidence import pack
from evalkit.report.view import build_view

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from jinja2 import Environment

    from evalkit.analysis.rundata import RunData
    from evalkit.report.verdict import VerdictNote
    from evalkit.types.card import JudgeCard

SCRIPTS = ("text.js", "store.js", "filters.js", "list.js", "detail.js", "probes.js", "main.js")
STYLES = ("report.css", "probes.css")
_WEB_ADDRESS = re.compile(r"https?://[^\s\"'<>]+\Z")


def build_report(
    runs: Sequence[RunData], *, verdict: VerdictNote | None = None, cards: Sequence[JudgeCard] = ()
) -> str:
    """The report of one or more runs as one HTML document.

    Args:
        runs: what was recorded; the first run's reference is what others are compared with.
        verdict: a gate's verdict, if one ran.
        cards: of judges, to correct what they classed.

    Raises:
        UsageError: there is no run.
    """
    if not runs:
        raise UsageError("A report needs at least one run; `evalkit runs` lists them.")
    basis = build_basis(runs)
    script, style = script_of(*SCRIPTS), assets(*STYLES)
    view = build_view(basis, verdict, cards)
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            view=view,
            pictures=pictures(basis),
            blocks=(*pack(runs), *(section.block for section in view.probes if section.block)),
            script=script,
            style=style,
            policy=content_policy(script, style),
        )
    )


def write_report(
    path: Path,
    runs: Sequence[RunData],
    *,
    verdict: VerdictNote | None = None,
    cards: Sequence[JudgeCard] = (),
) -> None:
    """Write the report to a file, whole or not at all.

    Raises:
        UsageError: there is no run.
        InfrastructureError: the file cannot be written.
    """
    page = build_report(runs, verdict=verdict, cards=cards)
    draft = path.with_name(path.name + ".part")
    try:
        if path.exists() and not path.is_file() and not path.is_dir():  # a pipe, a terminal or a device
            path.write_text(page, encoding="utf-8")
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(page, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise InfrastructureError(
            f"{path}: the report cannot be written ({error.strerror}); choose another place with -o."
        ) from None


def content_policy(script: str, style: str) -> str:
    """Content-Security-Policy that allows this script and this style and forbids everything else."""
    return (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


def is_web_address(text: str) -> bool:
    """Whether a text may become a link."""
    return bool(_WEB_ADDRESS.match(text))


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def assets(*names: str) -> str:
    """Files of the folder `assets` as one text."""
    folder = resources.files("evalkit.report").joinpath("assets")
    return "\n".join(folder.joinpath(name).read_text(encoding="utf-8").strip() for name in names)


def script_of(*names: str) -> str:
    """Scripts in one closed scope."""
    return f'(() => {{\n"use strict";\n{assets(*names)}\n}})();'


@cache
def environment() -> Environment:
    """Where templates are found; everything they are given is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("evalkit.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["web_address"] = is_web_address
    return environment
