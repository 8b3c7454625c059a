"""docs/gates.md: every command is run, every table is held against the types."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import yaml

from evalkit.analysis.measures import FAMILIES, MEASURES, measure_of
from evalkit.errors import ExitCode
from evalkit.stats.paired import paired_difference
from evalkit.testing import Behaviour, FakeProvider
from evalkit.types.gate import WORDS, Gate, RelativeGuard, Rule, Sequential
from tests.docs import pages
from tests.docs.pages import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAGE = (pages.ROOT / "docs" / "gates.md").read_text(encoding="utf-8")
blocks = partial(pages.blocks, PAGE)


def section(title: str) -> str:
    """The text under a heading, up to the next."""
    return re.split(r"\n#+ ", PAGE.partition(f"# {title}\n")[2])[0]


def rows(title: str) -> list[list[str]]:
    """Cells of the table under a heading, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def commands() -> Iterator[str]:
    for block in blocks("sh"):
        yield from pages.commands(block)


@pytest.mark.parametrize(
    ("title", "kind"),
    [("Gate", Gate), ("Rule", Rule), ("Relative guard", RelativeGuard), ("Sequential", Sequential)],
)
def test_every_field_is_described_with_its_default(title: str, kind: Any) -> None:
    told = {row[0].strip("`"): row[1] for row in rows(title)}
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    assert list(told) == list(fields)
    for name, field in fields.items():
        if field.required:
            assert told[name] == "required", name
        elif field.default in (None, ()):
            assert told[name] in {"none", "the gate's"}, name
        elif not isinstance(field.default, msgspec.Struct):
            assert told[name] == str(field.default), name


def test_every_metric_is_listed_and_exists() -> None:
    listed = {name for row in rows("Metrics") for name in re.findall(r"`([^`]+)`", row[0])}
    families = {*FAMILIES, "score:NAME", "excess_refusal:CN"}
    percentiles = {name for name in MEASURES if re.search(r"_p\d\d$", name)}
    assert listed == (set(MEASURES) - percentiles) | families | set(WORDS)
    for name in listed - {"score:NAME"} - set(WORDS):
        assert measure_of(name.replace("NN", "90").replace("K", "3")) is not None, name


def test_the_exit_codes_are_those_of_the_program() -> None:
    assert {int(row[0]) for row in rows("Exit codes")} == set(ExitCode) - {ExitCode.INTERRUPTED}


def test_the_interval_of_eight_agreeing_pairs() -> None:
    found = paired_difference([1.0] * 8, [1.0] * 8)
    low, high = (f"{x:.2f}".replace("-", "−") for x in (found.low, found.high))
    assert f"[{low}, {high}]" in PAGE


def wordy(body: dict[str, Any], most: int) -> Behaviour:
    """The right answer, at a length that depends on the question."""
    number = int(body["messages"][-1]["content"].split()[-1])
    return Behaviour(text="It is four" + ", indeed" * (number % most) + ".")


@pytest.fixture
def hosts(workdir: Path, make_suite: Callable[..., None], declare: Callable[..., None]) -> Iterator[None]:
    """The suite and the two hosts that the page speaks of, both of them right; one is briefer."""
    make_suite(60)
    (workdir / "suites" / "tiny").rename(workdir / "suites" / "support")
    definition = workdir / "suites" / "support" / "suite.yaml"
    definition.write_text(
        definition.read_text(encoding="utf-8").replace("id: tiny", "id: support"), encoding="utf-8"
    )
    (file,) = (block for block in blocks("yaml") if block.startswith("version:"))
    Path("move.gate.yaml").write_text(file, encoding="utf-8")
    with FakeProvider(partial(wordy, most=5)) as lab, FakeProvider(partial(wordy, most=4)) as cutrate:
        declare(lab, "lab")
        declare(cutrate, "cutrate")
        yield


@pytest.mark.usefixtures("hosts")
@pytest.mark.timeout(600)
def test_every_command_does_what_the_page_says() -> None:
    for command in commands():
        done = run(command)
        assert done.code == 0, f"{command}\n{done.said}"
    assert {path.name for path in Path.cwd().glob("gate.*")} == {
        "gate.md",
        "gate.json",
        "gate.html",
        "gate.xml",
    }
    assert Path("gate.md").read_text(encoding="utf-8").startswith("<!-- evalkit gate -->")


@pytest.mark.usefixtures("hosts")
@pytest.mark.timeout(600)
def test_the_gitlab_job_runs() -> None:
    (block,) = re.findall(r"<!-- gitlab -->\n```yaml\n(.*?)```", PAGE, re.DOTALL)
    job = yaml.safe_load(block)["gate"]
    assert job["allow_failure"]["exit_codes"] == [int(ExitCode.INCONCLUSIVE)]
    for command in job["script"]:
        done = run(command)
        assert done.code == 0, f"{command}\n{done.said}"
    for path in (*job["artifacts"]["paths"], job["artifacts"]["reports"]["junit"]):
        assert Path(path).is_file()


def test_the_github_job_uses_inputs_that_exist() -> None:
    action = yaml.safe_load((pages.ROOT / "action.yml").read_text(encoding="utf-8"))
    (block,) = (block for block in blocks("yaml") if block.startswith("jobs:"))
    steps = yaml.load(block, Loader=yaml.BaseLoader)["jobs"]["gate"]["steps"]
    (own,) = (step for step in steps if "evalkit" in step["uses"])
    assert set(own["with"]) <= set(action["inputs"])
    needed = {name for name, spec in action["inputs"].items() if spec.get("required")}
    assert needed <= set(own["with"])
