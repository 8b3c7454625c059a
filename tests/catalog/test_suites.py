"""Suites are found, read strictly, filtered and hashed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest

from evalkit.catalog.suites import load_suite, suite_folders
from evalkit.errors import DefinitionError, UnknownNameError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

YAML = """\
id: {id}
version: "1"
title: t
description: d
licence: l
source: x
samples: samples.jsonl
generation:
  max_tokens: 5
primary: match
scorers:
  - name: match
"""


def write_suite(place: Path, name: str = "tiny", rows: int = 3, extra: str = "", yaml: str = YAML) -> Path:
    folder = place / name
    folder.mkdir(parents=True)
    (folder / "suite.yaml").write_text(yaml.format(id=name) + extra, encoding="utf-8")
    lines = [
        {"id": str(n), "input": f"q{n}", "target": "a", "tags": ["even"] if n % 2 == 0 else []}
        for n in range(rows)
    ]
    (folder / "samples.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines), encoding="utf-8")
    return folder


def test_a_suite_is_loaded_by_id_and_by_path(tmp_path: Path) -> None:
    folder = write_suite(tmp_path)
    assert len(load_suite("tiny", [tmp_path]).samples) == 3
    assert load_suite(str(folder)).hash == load_suite("tiny", [tmp_path]).hash


def test_unknown_suites_get_the_nearest_names(tmp_path: Path) -> None:
    write_suite(tmp_path)
    with pytest.raises(UnknownNameError, match="Did you mean 'tiny'"):
        load_suite("tinny", [tmp_path])


def test_one_id_in_two_places_names_both(tmp_path: Path) -> None:
    write_suite(tmp_path / "a")
    write_suite(tmp_path / "b")
    with pytest.raises(UsageError, match="in two places"):
        suite_folders([tmp_path / "a", tmp_path / "b"])


def test_duplicate_sample_ids_are_refused(tmp_path: Path) -> None:
    folder = write_suite(tmp_path)
    with (folder / "samples.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"id": "1", "input": "again"}\n')
    with pytest.raises(DefinitionError, match="'1' occurs more than once"):
        load_suite("tiny", [tmp_path])


def test_an_empty_suite_is_refused(tmp_path: Path) -> None:
    write_suite(tmp_path, rows=0)
    with pytest.raises(DefinitionError, match="no samples"):
        load_suite("tiny", [tmp_path])


def test_samples_outside_the_suites_folder_are_refused(tmp_path: Path) -> None:
    yaml = YAML.replace("samples.jsonl", "../../../etc/passwd")
    write_suite(tmp_path / "suites", yaml=yaml)
    with pytest.raises(DefinitionError, match="leads out of the suites folder"):
        load_suite("tiny", [tmp_path / "suites"])


def test_the_filter_selects_by_tag(tmp_path: Path) -> None:
    write_suite(tmp_path, extra="filter:\n  tags: [even]\n")
    assert [s.id for s in load_suite("tiny", [tmp_path]).samples] == ["0", "2"]


def test_the_hash_follows_content_and_not_layout(tmp_path: Path) -> None:
    folder = write_suite(tmp_path)
    before = load_suite("tiny", [tmp_path]).hash
    file = folder / "suite.yaml"
    file.write_text("# a comment\n" + file.read_text(encoding="utf-8"), encoding="utf-8")
    assert load_suite("tiny", [tmp_path]).hash == before
    samples = folder / "samples.jsonl"
    samples.write_text(samples.read_text(encoding="utf-8").replace("q1", "Q1"), encoding="utf-8")
    assert load_suite("tiny", [tmp_path]).hash != before


def test_texts_that_recur_are_kept_once(tmp_path: Path) -> None:
    folder = write_suite(tmp_path)
    rows = [{"id": f"s{n}", "input": "?", "target": "four", "tags": ["easy", "numbers"]} for n in range(2)]
    (folder / "samples.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    first, second = load_suite(str(folder)).samples
    assert first.target is second.target
    assert first.tags == ("easy", "numbers")
    assert all(one is other for one, other in zip(first.tags, second.tags, strict=True))
    assert first.data is second.data
    assert msgspec.json.decode(msgspec.json.encode(first)) == rows[0]


def test_local_datasets_are_mapped_by_templates(tmp_path: Path) -> None:
    pytest.importorskip("datasets", reason="the extra `datasets` is not installed")
    yaml = YAML.replace(
        "samples: samples.jsonl",
        "samples:\n  path: rows.csv\n  split: test\n  where: keep == 'yes'\n  fields:\n"
        "    id: 'row-{{{{ index }}}}'\n    input: 'What is {{{{ a }}}}?'\n    target: '{{{{ b }}}}'\n",
    )
    folder = write_suite(tmp_path, yaml=yaml)
    (folder / "rows.csv").write_text("a,b,keep\none,1,yes\ntwo,2,no\nthree,3,yes\n", encoding="utf-8")
    samples = load_suite("tiny", [tmp_path]).samples
    assert [(s.id, s.input, s.target) for s in samples] == [
        ("row-0", "What is one?", 1),
        ("row-2", "What is three?", 3),
    ]


def test_templates_cannot_leave_their_sandbox(tmp_path: Path) -> None:
    pytest.importorskip("datasets", reason="the extra `datasets` is not installed")
    attack = "{{{{ ''.__class__.__mro__[1].__subclasses__() }}}}"
    yaml = YAML.replace(
        "samples: samples.jsonl", f'samples:\n  path: rows.csv\n  fields:\n    input: "{attack}"\n'
    )
    folder = write_suite(tmp_path, yaml=yaml)
    (folder / "rows.csv").write_text("a\n1\n", encoding="utf-8")
    with pytest.raises(DefinitionError, match="unsafe"):
        load_suite("tiny", [tmp_path])
