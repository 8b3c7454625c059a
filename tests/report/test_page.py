"""The page as a whole: complete, self-contained, and honest where something is missing."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from evalkit.analysis.rundata import RunData
from evalkit.errors import InfrastructureError, UsageError
from evalkit.report.page import build_report, write_report
from evalkit.report.verdict import RuleNote, VerdictNote
from tests.synthetic import HOSTS, make_run


class Reader(HTMLParser):
    """Collects what the safety of the page depends on."""

    def __init__(self) -> None:
        super().__init__()
        self.attributes: list[tuple[str, str, str | None]] = []
        self.scripts: list[tuple[str | None, str]] = []
        self.styles: list[str] = []
        self.text: list[str] = []
        self._in: tuple[str, str | None] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += ((tag, name, value) for name, value in attrs)
        self._in = (tag, dict(attrs).get("type")) if tag in {"script", "style"} else None

    def handle_endtag(self, tag: str) -> None:
        self._in = None

    def handle_data(self, data: str) -> None:
        if self._in and self._in[0] == "script":
            self.scripts.append((self._in[1], data))
        elif self._in and self._in[0] == "style":
            self.styles.append(data)
        else:
            self.text.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    return reader


def words(page: str) -> str:
    return " ".join(" ".join(read(page).text).split())


@pytest.fixture(scope="module")
def run() -> RunData:
    return make_run({"coding": 24, "probes": 24})


@pytest.fixture(scope="module")
def page(run: RunData) -> str:
    return build_report([run])


def test_the_policy_allows_only_the_pages_own_script_and_style(page: str) -> None:
    reader = read(page)
    policy = next(
        v for t, n, v in reader.attributes if t == "meta" and n == "content" and "default-src" in (v or "")
    )
    assert policy is not None
    running = [text for kind, text in reader.scripts if kind is None]
    assert len(running) == 1
    assert len(reader.styles) == 1
    for text in (*running, *reader.styles):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


def test_no_inline_handler_style_or_outside_source(page: str) -> None:
    for tag, name, value in read(page).attributes:
        assert not name.startswith("on"), (tag, name)
        assert name != "style", (tag, value)
        if name in {"src", "srcset", "data", "action", "poster", "background"}:
            pytest.fail(f"{tag} {name}={value}")
        if name in {"href", "xlink:href"}:
            assert re.match(r"#|https?://", value or ""), (tag, value)
            assert tag in {"a", "use"}, tag


def test_every_endpoint_and_suite_is_named(page: str) -> None:
    text = words(page)
    for name in ("lab:chat", "cutrate:chat", "filtered:chat", "Coding", "Probes"):
        assert name in text


def test_unpriced_is_not_free(page: str) -> None:
    assert "unpriced" in words(page)
    assert "$0.00 " not in words(page)


def test_a_verdict_comes_first(run: RunData) -> None:
    verdict = VerdictNote(
        decision="fail",
        sentence="Do not move: quality on coding falls by 20 points.",
        baseline="lab:chat",
        baseline_age="3 days old",
        rules=(
            RuleNote(title="probes", decision="pass", sentence="it holds"),
            RuleNote(title="coding", decision="fail", sentence="at most 5 points lower"),
        ),
    )
    page = build_report([run], verdict=verdict)
    text = words(page)
    assert "<details open><summary>2 rules" in page
    assert text.index("at most 5 points lower") < text.index("it holds")
    assert "No verdict was asked for" not in text
    assert text.index("Do not move") < text.index("Comparison of endpoints")
    assert "3 days old" in text


def test_no_run_is_a_misuse() -> None:
    with pytest.raises(UsageError, match="at least one run"):
        build_report([])


def test_a_run_without_scores_says_so(run: RunData) -> None:
    bare = RunData(manifest=run.manifest, generations=run.generations, samples=run.samples)
    assert "has no scores" in words(build_report([bare]))


def test_a_run_in_progress_says_how_much_is_missing() -> None:
    whole = make_run({"coding": 12}, status="running", finished_at=None)
    part = RunData(
        manifest=whole.manifest,
        generations=whole.generations[:9],
        scores=whole.scores[:9],
        samples=whole.samples,
    )
    text = words(build_report([part]))
    assert "still in progress" in text
    assert "27 of 36 planned trials have not been run" in text


def test_nothing_recorded_yet() -> None:
    whole = make_run({"coding": 4}, status="running")
    text = words(build_report([RunData(manifest=whole.manifest, samples=whole.samples)]))
    assert "has no recorded answer yet" in text


def test_lost_samples_are_named() -> None:
    whole = make_run({"coding": 6})
    text = words(
        build_report([RunData(manifest=whole.manifest, generations=whole.generations, scores=whole.scores)])
    )
    assert "does not hold the samples of coding" in text


def test_different_suite_versions_are_never_compared() -> None:
    import msgspec

    old = make_run({"coding": 8}, run="old", hosts=HOSTS[:1])
    record = old.manifest.suites[0]
    changed = msgspec.structs.replace(
        record, hash="f" * 64, suite=msgspec.structs.replace(record.suite, version="2.0.0")
    )
    new = make_run({"coding": 8}, run="new", hosts=HOSTS[1:2])
    new = msgspec.structs.replace(new, manifest=msgspec.structs.replace(new.manifest, suites=(changed,)))
    text = words(build_report([old, new]))
    assert "Suite coding has different contents" in text
    assert "no second endpoint with common samples" in text


def test_one_endpoint_alone() -> None:
    text = words(build_report([make_run({"coding": 6}, hosts=HOSTS[:1])]))
    assert "One endpoint only" in text


def test_one_sample_alone_has_no_interval_and_no_crash() -> None:
    page = build_report([make_run({"coding": 1})])
    assert "one cluster only" in page
    assert ">n = 1<" in page


def test_the_file_is_written_whole_or_not_at_all(run: RunData, tmp_path) -> None:
    target = tmp_path / "deep" / "report.html"
    write_report(target, [run])
    assert target.read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert list(target.parent.iterdir()) == [target]
    (tmp_path / "file").write_text("")
    with pytest.raises(InfrastructureError, match="cannot be written"):
        write_report(tmp_path / "file" / "report.html", [run])
