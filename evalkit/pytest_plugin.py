"""pytest collects `*.gate.yaml`: each rule is one test.

    pytest move.gate.yaml --evalkit-run latest --evalkit-baseline last-week --junitxml gate.xml

A gate file is collected where it says which run it judges (`run:`), where `--evalkit-run` does, or where it
is named on the command line. Others are passed over with one line in the summary, so that a repository's own
tests go on as before. The plugin imports nothing of evalkit until there is a file to collect.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalkit.types.gate import Gate, GateVerdict, Rule, RuleVerdict

SUFFIX = ".gate.yaml"
_PASSED_OVER = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of a group of their own; what is not given is taken from the gate file."""
    group = parser.getgroup("evalkit", "gates of recorded evaluation runs (*.gate.yaml)")
    group.addoption("--evalkit-run", metavar="RUN", action="append", help="run that is judged; may repeat")
    group.addoption("--evalkit-baseline", metavar="NAME", help="another run, an endpoint or a provider")
    group.addoption("--evalkit-candidate", metavar="NAME", help="endpoint or provider to judge")
    group.addoption("--evalkit-results", metavar="FOLDER", help="folder of runs (default: results)")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A collector for a gate file that has a run."""
    if not file_path.name.endswith(SUFFIX):
        return None
    config = parent.config
    named = any(Path(str(word).partition("::")[0]).name == file_path.name for word in config.args)
    if named or config.getoption("evalkit_run") or _names_run(file_path):
        collector: pytest.Collector = GateFile.from_parent(parent, path=file_path)
        return collector
    config.stash.setdefault(_PASSED_OVER, []).append(file_path.name)
    return None


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say which gate files were passed over."""
    files = config.stash.get(_PASSED_OVER, [])
    if files:
        terminalreporter.write_line(
            f"evalkit: {', '.join(files)} passed over, no run is named; give --evalkit-run, or `run:` in it."
        )


class GateFile(pytest.File):
    """One gate file. The runs are read once, when the first rule is tested."""

    _verdict: GateVerdict | None = None
    _gate: Gate

    def collect(self) -> Iterator[pytest.Item]:
        """One item for each rule; a file that breaks its schema is an error of collection."""
        from evalkit.catalog.gates import load_gate
        from evalkit.errors import EvalkitError

        try:
            self._gate = load_gate(self.path)
        except EvalkitError as error:
            raise self.CollectError(str(error)) from None
        for rule in self._gate.rules:
            yield GateItem.from_parent(self, name=rule.title, rule=rule)

    def verdicts(self, rule: Rule) -> list[RuleVerdict]:
        """The verdicts on one rule of the file: one for each suite that it is decided in."""
        from evalkit.app.gate import judge

        if self._verdict is None:
            option = self.config.getoption
            runs = option("evalkit_run") or ([self._gate.run] if self._gate.run else [])
            self._verdict = judge(
                runs,
                self.path,
                candidate=option("evalkit_candidate"),
                baseline=option("evalkit_baseline"),
                results=_results(self.config),
            ).verdict
        return [verdict for verdict in self._verdict.rules if verdict.rule == rule.title]


class GateItem(pytest.Item):
    """One rule. An open one fails or is an expected failure, as the gate file says."""

    def __init__(self, *, rule: Rule, **more: Any) -> None:
        super().__init__(**more)
        self.rule = rule

    def runtest(self) -> None:
        """Fail where the interval proves the rule broken, and where the policy wants it decided."""
        file = self.parent
        assert isinstance(file, GateFile)
        verdicts = file.verdicts(self.rule)
        for verdict in verdicts:
            self.user_properties.append((f"evalkit {verdict.title}", f"{verdict.decision}: {verdict.reason}"))
        failing = [verdict for verdict in verdicts if _fails(verdict)]
        if failing:
            raise GateError("\n".join(f"{v.decision}: {v.title}: {v.reason}" for v in failing))
        open_ = [v for v in verdicts if v.decision != "pass" and v.on_inconclusive != "pass"]
        if open_:
            pytest.xfail("\n".join(f"{v.tier}, {v.decision}: {v.title}: {v.reason}" for v in open_))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The figures, without a traceback through evalkit."""
        from evalkit.errors import EvalkitError

        if isinstance(excinfo.value, GateError | EvalkitError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """File and rule, for the heading of a failure."""
        return self.path, 0, f"{self.path.name}: {self.name}"


class GateError(AssertionError):
    """A rule is broken, or open where it must be decided."""


def _fails(verdict: RuleVerdict) -> bool:
    if verdict.tier == "advisory":
        return False
    if verdict.decision == "fail":
        return True
    holds = verdict.tier == "critical" and verdict.on_inconclusive == "fail"
    return verdict.decision == "inconclusive" and holds


def _results(config: pytest.Config) -> Path:
    import os

    folder = config.getoption("evalkit_results") or os.environ.get("EVALKIT_RESULTS", "results")
    return Path(folder)


def _names_run(path: Path) -> bool:
    """Whether the file has a `run:` of its own; one that cannot be read is an error later, not here."""
    try:
        return any(line.startswith("run:") for line in path.read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError):
        return False
