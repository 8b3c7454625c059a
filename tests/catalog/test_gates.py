from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from evalkit.catalog.gates import load_gate
from evalkit.errors import DefinitionError

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """\
version: 1
alpha: 0.1
rules:
  - metric: quality
    suite: coding
    max_drop: 0.05
    relative_guard: {below: 0.2, max_relative_drop: 0.1}
  - metric: governance
    require: [allowed]
sequential: {batch: 10}
"""


def test_reads_a_gate(tmp_path: Path) -> None:
    file = tmp_path / "move.gate.yaml"
    file.write_text(GOOD)
    gate = load_gate(file)
    assert gate.alpha == 0.1
    assert gate.rules[0].relative_guard.below == 0.2
    assert gate.rules[1].require == ("allowed",)
    assert gate.sequential.batch == 10


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("max_drop", "max_dorp", r"gate.yaml:6 \$\.rules\[0\]\.max_dorp: unknown key 'max_dorp'.*'max_drop'"),
        ("alpha: 0.1", "alpha: ten", r"gate.yaml:2 \$\.alpha"),
        ("    max_drop: 0.05\n", "", r"gate.yaml:4 \$\.rules\[0\]: .*max_drop"),
        ("version: 1", "version: 2", "version"),
        ("batch: 10", "batch: 0", "1 or more"),
    ],
)
def test_a_fault_is_named_with_its_place(tmp_path: Path, old: str, new: str, words: str) -> None:
    file = tmp_path / "move.gate.yaml"
    file.write_text(GOOD.replace(old, new))
    with pytest.raises(DefinitionError, match=words) as caught:
        load_gate(file)
    assert "\n" not in str(caught.value)
