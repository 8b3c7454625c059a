"""What a label is bound to."""

from __future__ import annotations

from evalkit.types.label import answer_hash


def test_a_label_is_bound_to_the_very_text_that_was_shown() -> None:
    assert answer_hash("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert answer_hash("abc ") != answer_hash("abc")


def test_half_a_surrogate_pair_from_a_host_has_a_hash() -> None:
    assert answer_hash("\ud800") != answer_hash("?")
