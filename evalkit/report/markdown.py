"""A verdict as Markdown, for a pull-request comment or a job summary.

Names, answers and reasons come from models and from files of others, so everything is escaped: no markup, no
mention of a person, no reference to an issue, no link comes out of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from evalkit.report.cells import figure
from evalkit.report.numbers import count, dollars
from evalkit.report.words import tidy

if TYPE_CHECKING:
    from evalkit.analysis.measures import Unit
    from evalkit.types.estimate import Estimate
    from evalkit.types.gate import Decision, Flip, GateVerdict, RuleVerdict

MARKER = "<!-- evalkit gate -->"
"""Lets a bot find its own comment, to renew it instead of adding another."""

MOST = 60_000
"""Characters; comments of GitHub and GitLab hold 65,536 and more."""
_MOST_FLIPS = 50

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|~=$>:])")
_SIGNS: dict[Decision, str] = {"pass": "✅", "fail": "❌", "inconclusive": "❔"}
_WORDS: dict[Decision, str] = {"pass": "pass", "fail": "**fail**", "inconclusive": "**not decided**"}


def markdown(verdict: GateVerdict, *, age: str | None = None) -> str:
    """The verdict, a table of its rules, and what flipped, folded away."""
    versus = f" against {escaped(verdict.baseline)}" if verdict.baseline else ""
    old = f" (baseline: {age})" if age else ""
    chance = (
        "Intervals hold their level for each rule; the chance that any rule which truly holds was failed "
        f"is at most {verdict.false_fail:.1%}."
    )
    lines = [
        MARKER,
        f"### {_SIGNS[verdict.decision]} evalkit gate: {verdict.decision}",
        "",
        f"{escaped(verdict.candidate or '')}{versus}{old}. {escaped(verdict.sentence)}",
        "",
        "| | rule | measured | allowed | n | further samples | cost |",
        "|---|---|---|---|---|---|---|",
        *(_row(rule) for rule in verdict.rules),
        "",
        *(f"- ⚠️ {escaped(text)}" for text in (*verdict.warnings, *verdict.notes)),
        "",
        *_folded("Reasons", [f"- **{escaped(r.title)}**: {escaped(r.reason)}" for r in verdict.rules]),
        *_flips(verdict.flips),
        chance,
    ]
    text = "\n".join(lines) + "\n"
    return text if len(text) <= MOST else _short(verdict, text)


def escaped(text: str, most: int = 400) -> str:
    """Text that shows as it is, on one line."""
    plain = tidy(text, most).replace("&", "&amp;").replace("<", "&lt;").replace("@", "&#64;")
    return _SPECIAL.sub(r"\\\1", plain)


def _row(rule: RuleVerdict) -> str:
    tier = "" if rule.tier == "critical" else f" ({rule.tier})"
    estimate = rule.estimate
    cells = (
        f"{_SIGNS[rule.decision]} {_WORDS[rule.decision]}",
        f"{escaped(rule.title)}{tier}",
        escaped(rule.reason, 160) if estimate is None else _measured(estimate, rule),
        "" if rule.bound is None or rule.side is None else f"{rule.side} {_bound(rule)}",
        "" if estimate is None else _pairs(rule, estimate),
        "" if rule.further_samples is None else f"about {count(rule.further_samples)}",
        "" if rule.further_usd is None else _plain(dollars(rule.further_usd)),
    )
    return f"| {' | '.join(cells)} |"


def _measured(estimate: Estimate, rule: RuleVerdict) -> str:
    value, interval = figure(estimate, _unit(rule))
    what = {"value": "", "difference": "difference ", "ratio": "ratio "}[rule.form]
    return f"{what}{_plain(value)} {_plain(interval)}".strip()


def _bound(rule: RuleVerdict) -> str:
    from evalkit.types.estimate import Estimate

    at = rule.bound
    exact = Estimate(value=at, low=None, high=None, level=0.95, n=0, clusters=0, method="none")
    return _plain(figure(exact, _unit(rule))[0])


def _unit(rule: RuleVerdict) -> Unit:
    known: dict[str, Unit] = {
        "share": "share",
        "seconds": "seconds",
        "tokens_per_second": "tokens_per_second",
        "usd": "usd",
        "tokens": "tokens",
    }
    return "number" if rule.form == "ratio" else known.get(rule.unit, "number")


def _pairs(rule: RuleVerdict, estimate: Estimate) -> str:
    parts = [count(estimate.n)]
    if rule.better is not None and rule.worse is not None:
        parts.append(f"{count(rule.better)} better, {count(rule.worse)} worse")
    if rule.only_one:
        parts.append(f"{count(rule.only_one)} on one side only")
    return "; ".join(parts)


def _plain(text: str) -> str:
    """A number's own text, with what Markdown would read as markup taken literally."""
    return text.replace("[", "\\[").replace("]", "\\]").replace("$", "\\$").replace("|", "\\|")


def _folded(title: str, lines: list[str]) -> list[str]:
    return [f"<details><summary>{title}</summary>", "", *lines, "", "</details>", ""]


def _flips(flips: tuple[Flip, ...]) -> list[str]:
    if not flips:
        return []
    better = sum(flip.better for flip in flips)
    shown = sorted(flips, key=lambda flip: flip.better)[:_MOST_FLIPS]
    rows = [
        "| suite | sample | | baseline | candidate |",
        "|---|---|---|---|---|",
        *(
            f"| {escaped(f.suite, 60)} | {escaped(f.sample, 80)} | {'better' if f.better else 'worse'} "
            f"| {f.reference_value:g} {escaped(f.reference_reason or '', 120)} "
            f"| {f.subject_value:g} {escaped(f.subject_reason or '', 120)} |"
            for f in shown
        ),
    ]
    if len(flips) > len(shown):
        rows += ["", f"{count(len(flips) - len(shown))} more are in the report."]
    title = f"{count(len(flips))} answers flipped: {count(len(flips) - better)} worse, {count(better)} better"
    return _folded(title, rows)


def _short(verdict: GateVerdict, text: str) -> str:
    """Only the head and the table, cut at a line, where the whole is too long for a comment."""
    kept = text[:MOST].rpartition("\n")[0].partition("\n<details>")[0]
    return f"{kept}\n\nThe rest is too long for a comment; see the report.\n"
