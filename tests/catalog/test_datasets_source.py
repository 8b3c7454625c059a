"""Real `datasets` on local files of each format; templates of others; streams; few-shot examples."""

from __future__ import annotations

import gc
import gzip
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from evalkit.catalog.suites import load_suite
from evalkit.errors import DefinitionError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from evalkit.types.suite import LoadedSuite

    Load = Callable[..., LoadedSuite]

datasets = pytest.importorskip("datasets", reason="the extra `datasets` is not installed")

# `datasets` leaves a streamed file open when the reader stops early.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

ROWS = [
    {"q": f"question {n}", "a": n, "keep": n % 2 == 0, "nested": {"parts": [n, n + 1]}} for n in range(20)
]
FIELDS = {"id": "row-{{ index }}", "input": "Q: {{ q }}", "target": "{{ a }}"}


@pytest.fixture
def load(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Write a suite whose samples are such a source, and load it."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(workdir / ".cache"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", workdir / ".cache")

    def write(**source: Any) -> LoadedSuite:
        folder = workdir / "suites" / "own"
        folder.mkdir(parents=True, exist_ok=True)
        suite = {
            "id": "own", "version": "1", "title": "t", "description": "d", "licence": "l", "source": "x",
            "samples": {"fields": FIELDS, **source}, "generation": {"max_tokens": 5}, "primary": "match",
            "scorers": [{"name": "match"}],
        }  # fmt: skip
        (folder / "suite.yaml").write_text(yaml.safe_dump(suite), encoding="utf-8")
        return load_suite("own")

    (workdir / "suites" / "own").mkdir(parents=True)
    (workdir / "suites" / "own" / "rows.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8"
    )
    yield write
    gc.collect()


def write_format(folder: Path, ending: str) -> str:
    data = datasets.Dataset.from_list(ROWS)
    file = folder / "suites" / "own" / f"made{ending}"
    if ending == ".parquet":
        data.to_parquet(str(file))
    elif ending == ".csv":
        data.remove_columns("nested").to_csv(str(file))
    elif ending == ".arrow":
        data.save_to_disk(str(folder / "saved"))
        (found,) = (folder / "saved").glob("*.arrow")
        file.write_bytes(found.read_bytes())
    elif ending == ".json":
        file.write_text(json.dumps(ROWS), encoding="utf-8")
    else:
        text = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
        file.write_bytes(gzip.compress(text) if ending.endswith(".gz") else text)
    return file.name


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("ending", [".parquet", ".csv", ".arrow", ".json", ".jsonl", ".jsonl.gz"])
def test_every_format_gives_the_same_samples(
    load: Load, workdir: Path, ending: str, *, streaming: bool
) -> None:
    loaded = load(path=write_format(workdir, ending), where="keep", limit=3, streaming=streaming)
    assert [(s.id, s.input, s.target) for s in loaded.samples] == [
        ("row-0", "Q: question 0", 0),
        ("row-2", "Q: question 2", 2),
        ("row-4", "Q: question 4", 4),
    ]


def test_several_files_are_one_data_set(load: Load, workdir: Path) -> None:
    for part in ("a", "b"):
        file = workdir / "suites" / "own" / f"part-{part}.jsonl"
        file.write_text(json.dumps({"q": part, "a": 1}) + "\n", encoding="utf-8")
    assert [s.input for s in load(path="part-*.jsonl").samples] == ["Q: a", "Q: b"]


@pytest.mark.parametrize("streaming", [False, True])
def test_a_seed_gives_one_order(load: Load, *, streaming: bool) -> None:
    def inputs(seed: int) -> list[Any]:
        loaded = load(path="rows.jsonl", shuffle_seed=seed, streaming=streaming)
        return [sample.input for sample in loaded.samples]

    plain = [f"Q: {row['q']}" for row in ROWS]
    assert inputs(1) == inputs(1) != inputs(2)
    assert inputs(1) != plain
    assert sorted(inputs(1)) == sorted(plain)


def test_the_users_own_copy_is_shuffled_too(load: Load, workdir: Path) -> None:
    (workdir / "data").mkdir()
    (workdir / "data" / "own.json").write_text(json.dumps(ROWS), encoding="utf-8")
    shuffled = [s.input for s in load(path="elsewhere.jsonl", shuffle_seed=3).samples]
    assert sorted(shuffled) == sorted(f"Q: {row['q']}" for row in ROWS)
    assert shuffled != [f"Q: {row['q']}" for row in ROWS]


def test_the_hash_covers_the_rows_that_were_used(load: Load, workdir: Path) -> None:
    before = load(path="rows.jsonl", limit=5).hash
    file = workdir / "suites" / "own" / "rows.jsonl"
    file.write_text(file.read_text(encoding="utf-8").replace("question 19", "other"), encoding="utf-8")
    assert load(path="rows.jsonl", limit=5).hash == before, "a row that is not used does not count"
    file.write_text(file.read_text(encoding="utf-8").replace("question 3", "other"), encoding="utf-8")
    assert load(path="rows.jsonl", limit=5).hash != before


def test_few_shot_examples_become_turns(load: Load) -> None:
    few = {"n": 2, "seed": 4, "where": "not keep", "user": "Q: {{ q }}", "assistant": "{{ a }}"}
    loaded = load(path="rows.jsonl", fewshot=few, where="keep", limit=4)
    for sample in loaded.samples:
        assert [m.role for m in sample.input] == ["user", "assistant", "user", "assistant", "user"]  # type: ignore[union-attr]
    shown = {tuple((m.role, m.content) for m in s.input[:4]) for s in loaded.samples}  # type: ignore[union-attr]
    assert len(shown) == 1, "hosts can keep the common beginning"
    assert all(int(str(content)) % 2 for role, content in shown.pop() if role == "assistant")
    other = load(path="rows.jsonl", fewshot={**few, "seed": 5}, where="keep", limit=4)
    assert other.hash != loaded.hash


def test_a_sample_is_never_its_own_example(load: Load) -> None:
    fields = {**FIELDS, "input": "{% for s in fewshot %}[{{ s.a }}]{% endfor %}({{ a }})"}
    loaded = load(path="rows.jsonl", fields=fields, fewshot={"n": 3})
    assert len(loaded.samples) == 20
    for sample in loaded.samples:
        assert str(sample.input).count("[") == 3
        assert f"[{sample.target}]" not in str(sample.input)


def test_examples_may_come_from_another_file(load: Load, workdir: Path) -> None:
    train = workdir / "suites" / "own" / "train.jsonl"
    train.write_text('{"q": "learn", "a": 7}\n', encoding="utf-8")
    fields = {**FIELDS, "input": "{{ fewshot[0].q }} {{ q }}"}
    loaded = load(path="rows.jsonl", fields=fields, fewshot={"n": 1, "path": "train.jsonl"})
    assert loaded.samples[0].input == "learn question 0"
    with pytest.raises(DefinitionError, match=r"fewshot.n is 2, but there are only 1"):
        load(path="rows.jsonl", fields=fields, fewshot={"n": 2, "path": "train.jsonl"})


@pytest.mark.parametrize(
    "attack",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ row.items.__func__.__globals__ }}",
        "{{ self.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ row.update({'a': 1}) }}",
        "{{ nested.parts.append(1) }}",
        "{{ 'a' * 1000000000 }}",
        "{{ [0] * 1000000000 }}",
        "{{ 9 ** 99999999 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '{:1000000000}'.format(1) }}",
        "{{ 'a'.center(1000000000) }}",
        "{{ 'a'.ljust(1000000000) ~ '' }}x",
        "{{ range(100000000) | list }}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{{ 'x' | center(1000000000) }}",
        "{{ missing }}",
        "{{ q",
    ],
)
def test_hostile_and_broken_templates_are_refused(load: Load, attack: str) -> None:
    with pytest.raises(DefinitionError, match=r"rows.jsonl.*template"):
        load(path="rows.jsonl", fields={**FIELDS, "input": attack})


@pytest.mark.parametrize("where", ["missing > 1", "a >", "q > 3", "a / 0", "''.__class__.__mro__"])
def test_broken_filters_are_refused(load: Load, where: str) -> None:
    with pytest.raises(DefinitionError, match=r"rows.jsonl.*template"):
        load(path="rows.jsonl", where=where)


@pytest.mark.parametrize("path", ["/etc/passwd.csv", "../../../secret.jsonl", "../../../*.jsonl"])
def test_data_outside_of_suites_and_working_folder_is_refused(load: Load, workdir: Path, path: str) -> None:
    (workdir.parent / "secret.jsonl").write_text('{"q": "secret", "a": 1}\n', encoding="utf-8")
    with pytest.raises(DefinitionError, match="leads out of the suites folder"):
        load(path=path)


@pytest.mark.parametrize("path", ["/etc", "../..", "suites", "a/b/c"])
def test_a_folder_is_no_hub_id(load: Load, path: str) -> None:
    with pytest.raises(DefinitionError, match="neither a hub id nor files"):
        load(path=path)


def test_a_missing_file_is_named(load: Load) -> None:
    with pytest.raises(UsageError, match=r"gone.parquet: there is no such file"):
        load(path="gone.parquet")


def test_a_broken_file_is_one_sentence(load: Load, workdir: Path) -> None:
    (workdir / "suites" / "own" / "bad.parquet").write_bytes(b"PAR1 this is not one")
    for streaming in (False, True):
        with pytest.raises(UsageError, match=r"bad.parquet: the data set cannot be loaded") as caught:
            load(path="bad.parquet", streaming=streaming)
        assert "\n" not in str(caught.value)


def test_what_is_no_json_is_refused(load: Load, workdir: Path) -> None:
    with pytest.raises(DefinitionError, match=r"row 0 is no sample"):
        load(path="rows.jsonl", fields={**FIELDS, "input": "{{ a }}"})


OFFLINE = """
from evalkit.catalog.suites import load_suite
from evalkit.errors import UsageError
try:
    load_suite("own")
except UsageError as error:
    print(error)
"""


def test_offline_without_a_copy_says_so(load: Load, workdir: Path) -> None:
    with pytest.raises(UsageError):
        load(path="gone.parquet")  # writes the suite
    suite = workdir / "suites" / "own" / "suite.yaml"
    text = suite.read_text(encoding="utf-8").replace("gone.parquet", "org/not-here")
    suite.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE], capture_output=True, text=True, timeout=110, check=True,
        env={"HF_HUB_OFFLINE": "1", "PYTHONPATH": ":".join(sys.path), "HF_HOME": str(workdir), "PATH": ""},
    )  # fmt: skip
    assert "org/not-here: the data set cannot be loaded ($HF_HUB_OFFLINE is set)" in done.stdout
    assert "data/own.jsonl" in done.stdout
    assert len(done.stdout.splitlines()) == 1


PEAK = """
import resource, sys
from evalkit.catalog.suites import load_suite
samples = load_suite("own").samples
print(len(samples), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.timeout(600)
def test_a_large_stream_needs_no_more_memory_than_a_small_one(load: Load, workdir: Path) -> None:
    file = workdir / "suites" / "own" / "large.jsonl"
    filling = "x" * 1000

    def peak(rows: int) -> tuple[int, int]:
        with file.open("w", encoding="utf-8") as out:
            out.writelines(f'{{"q": "{filling}", "a": {n}}}\n' for n in range(rows))
        load(path="large.jsonl", where="a % 1000 == 0", streaming=True, fewshot={"n": 3})
        done = subprocess.run(
            [sys.executable, "-c", PEAK], capture_output=True, text=True, timeout=280, check=True
        )
        count, megabytes = map(int, done.stdout.split())
        return count, megabytes

    small, large = peak(20_000), peak(120_000)
    assert (small[0], large[0]) == (20, 120)
    assert large[1] - small[1] < 70, f"{small[1]} MB for 20 MB of rows, {large[1]} MB for 120 MB"
