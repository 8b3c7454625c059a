"""Errors of definition files carry file, line and path."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from evalkit.catalog.strict import load_jsonl, parse_yaml
from evalkit.errors import DefinitionError
from evalkit.types.provider import Provider
from evalkit.types.suite import Sample, Suite

if TYPE_CHECKING:
    from pathlib import Path

SUITE = """\
id: s
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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "f.yaml:2 not valid YAML: did not find expected node content"),
        ("- 1", "f.yaml:1 $ is not a mapping"),
        ("", "f.yaml:1 $ is not a mapping"),
        ("\tid: x", "f.yaml:1 not valid YAML"),
        (
            SUITE.replace("version", "versoin"),
            "f.yaml:2 $.versoin: unknown key 'versoin'; did you mean 'version'?",
        ),
        (SUITE + "id: again\n", "f.yaml:13 key 'id' is given twice"),
        (SUITE.replace("5", "five"), "f.yaml:9 $.generation.max_tokens: expected `int | null`, got `str`"),
        (SUITE.replace("max_tokens", "max_tokns"), "f.yaml:9 $.generation.max_tokns: unknown key"),
        (SUITE.replace("id: s\n", ""), "f.yaml:1 $: object missing required field `id`"),
        (SUITE.replace("name: match", "nam: match"), "f.yaml:12 $.scorers[0].nam: unknown key 'nam'"),
        (SUITE.replace('"1"', "1"), "f.yaml:2 $.version: expected `str`, got `int`; put it in quotes."),
        (
            SUITE + "sensitivity: secret\n",
            "'secret'; expected confidential or internal or public or regulated.",
        ),
        ("a: &x [1]\nb: *x", "used again through a YAML alias"),
    ],
)
def test_yaml_errors_name_line_and_path(text: str, message: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        parse_yaml(text, Suite, "f.yaml")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_alias_bomb_is_refused_at_once() -> None:
    levels = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30))
    with pytest.raises(DefinitionError, match="alias"):
        parse_yaml(f"a0: &a0 [1]\n{levels}", Suite, "bomb.yaml")


def test_nested_paths_point_into_lists() -> None:
    text = "id: p\nname: n\nkind: host\nadapter: a\nbase_url: u\nkey_env: null\noperator: {name: o}\n"
    text += "endpoints:\n  - model: a\n  - model: b\n    prices:\n      - input: dear\n        output: 2\n"
    with pytest.raises(DefinitionError) as caught:
        parse_yaml(text, Provider, "p.yaml")
    assert str(caught.value).startswith("p.yaml:12 $.endpoints[1].prices[0].input: expected `float`")


def test_a_good_suite_is_read() -> None:
    suite = parse_yaml(SUITE, Suite, "f.yaml")
    assert suite.generation.max_tokens == 5
    assert suite.solver.name == "answer"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": "a", "input": ', "s.jsonl:2 not valid JSON"),
        ('{"id": "a"}', "s.jsonl:2 $: object missing required field `input`"),
        ('{"id": "a", "input": 3}', "s.jsonl:2 $.input: expected"),
        ('{"id": "a", "input": "x", "tag": []}', "s.jsonl:2 $.tag: unknown key 'tag'; did you mean 'tags'?"),
        ("[" * 100_000, "s.jsonl:2 not valid JSON"),
    ],
)
def test_jsonl_errors_name_the_line(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "s.jsonl"
    path.write_text(f'{{"id": "ok", "input": "x"}}\n{line}\n', encoding="utf-8")
    with pytest.raises(DefinitionError) as caught:
        load_jsonl(path, Sample)
    assert message in str(caught.value)


def test_the_mark_that_some_editors_begin_files_with_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"id": "a", "input": "x"}\r\n')
    assert [sample.id for sample in load_jsonl(path, Sample)] == ["a"]


def test_a_file_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DefinitionError, match="not UTF-8"):
        load_jsonl(path, Sample)
