from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from evalkit.catalog.prices import load_prices
from evalkit.errors import DefinitionError

if TYPE_CHECKING:
    from pathlib import Path

ENTRY = """version: 1
prices:
  - endpoint: deepinfra:org/model
    rows:
      - {input: 0.5, output: 1.5, valid_from: "2026-11-01", hours_utc: [[1, 4]], weekdays: [0, 1, 2, 3, 4]}
"""


def written(tmp_path: Path, text: str) -> str:
    file = tmp_path / "own.yaml"
    file.write_text(text)
    return str(file)


def test_rows_are_read(tmp_path: Path) -> None:
    (entry,) = load_prices(written(tmp_path, ENTRY))
    assert entry.endpoint == "deepinfra:org/model"
    assert entry.rows[0].hours_utc == ((1.0, 4.0),)
    assert not entry.override


def test_without_a_file_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert load_prices() == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (ENTRY.replace("0.5", "0"), "a price is above 0"),
        (ENTRY.replace("0.5", "-1"), "a price is above 0"),
        (ENTRY + ENTRY.partition("prices:\n")[2], "listed twice"),
        ("version: 1\nprices:\n  - {endpoint: a:b, rows: []}\n", "there are none"),
        (ENTRY.replace("input", "inptu"), "inptu"),
        ("version: 1\nprices: [", "own.yaml:"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(DefinitionError, match=says):
        load_prices(written(tmp_path, text))


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="gone"):
        load_prices(str(tmp_path / "gone.yaml"))
