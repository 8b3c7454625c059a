"""The verdict as Markdown: hostile text stays text, and a long list stays a comment."""

from __future__ import annotations

import re

import pytest

from evalkit.report.markdown import MARKER, MOST, escaped, markdown
from evalkit.types.estimate import Estimate
from evalkit.types.gate import Flip, GateVerdict, RuleVerdict

HOSTILE = (
    "<script>alert(1)</script>",
    "</details><img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))",
    "![x](https://example.org/pixel.png)",
    "@everyone please look at #12 and owner/repo#3",
    "| a | b |\n|---|---|\n# heading",
    "`code` **bold** _it_ ~~no~~ $x^2$ :tada:",
    "https://example.org/track?x=1",
    "line one\r\nline two\u2028line three",
    "left\u202eright\u0000\u200b",
    "&lt;b&gt; &#64;x \\@y",
)
LIVE = re.compile(
    r"(?<!\\)[`*_{}\[\]()#|~$]|<|@(?=\w)|(?<!\\)!\\?\[|[\r\n\u2028\u202e\u0000\u200b]|https?:(?=//)"
)


def verdict(text: str, flips: int = 1) -> GateVerdict:
    estimate = Estimate(value=-0.17, low=-0.25, high=-0.09, level=0.95, n=200, clusters=100, method="Tango")
    rule = RuleVerdict(
        title=text,
        metric="quality",
        tier="critical",
        on_inconclusive="fail",
        decision="fail",
        reason=text,
        bound=-0.05,
        side="at least",
        form="difference",
        unit="share",
        estimate=estimate,
        better=3,
        worse=37,
        only_one=2,
        further_samples=1200,
        further_usd=1.234,
    )
    flip = Flip(
        subject=text,
        suite=text,
        sample=text,
        epoch=1,
        better=False,
        reference_value=1.0,
        subject_value=0.0,
        reference_reason=text,
        subject_reason=text,
    )
    return GateVerdict(
        decision="fail",
        sentence=text,
        rules=(rule,),
        warnings=(text,),
        notes=(text,),
        candidate=text,
        baseline=text,
        flips=(flip,) * flips,
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str) -> None:
    shown = escaped(text)
    assert not LIVE.search(shown), shown
    made = markdown(verdict(text))
    # What is live Markdown or HTML comes from the template alone.
    assert re.findall(r"<[^>]*>", made) == [
        MARKER,
        *(["<details>", "<summary>", "</summary>", "</details>"] * 2),
    ]
    lines = [line for line in made.splitlines() if line.startswith("|")]
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in lines}
    assert widths == {8, 6}, "no cell opens another"


def test_a_row_has_interval_n_and_what_more_would_cost() -> None:
    made = markdown(verdict("quality"), age="3 days")
    (row,) = (line for line in made.splitlines() if line.startswith("| ❌"))
    for part in (
        "−17",
        "\\[−25",
        "at least −5",
        "200",
        "3 better, 37 worse",
        "2 on one side only",
        "1\u202f200",
        "1.23",
    ):
        assert part in row, (part, row)
    assert "baseline: 3 days" in made


def test_worse_answers_come_first_and_the_list_is_cut() -> None:
    made = markdown(verdict("quality", flips=400))
    assert "400 answers flipped: 400 worse, 0 better" in made
    assert "350 more are in the report" in made
    assert len(made) < MOST


def test_what_is_too_long_for_a_comment_keeps_the_table() -> None:
    rules = verdict("quality").rules * 3000
    made = markdown(GateVerdict(decision="fail", sentence="Fail.", rules=rules))
    assert len(made) <= MOST + 100
    assert made.count("| ❌") > 100
    assert "too long for a comment" in made
    assert made.count("<details>") == made.count("</details>")
