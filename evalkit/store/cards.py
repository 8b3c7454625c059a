"""Judge cards: `./judges/<name>.json`, written by `evalkit judge calibrate`."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from evalkit.errors import StoreError, UsageError
from evalkit.store.folder import replace_file
from evalkit.types.card import CARD_SCHEMA, JudgeCard

CARDS = Path("judges")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class _Schema(msgspec.Struct, frozen=True):
    schema: int


def card_path(name: str, folder: Path = CARDS) -> Path:
    """The file of a card.

    Raises:
        UsageError: the name would not do for a file.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no name for a judge card; take letters, digits, `.`, `_` and `-`, and begin with a "
            "letter or digit."
        )
    return folder / f"{name}.json"


def write_card(card: JudgeCard, folder: Path = CARDS) -> Path:
    """Store a card, in place of an earlier one of its name.

    Raises:
        UsageError: its name would not do for a file.
        InfrastructureError: it cannot be written.
    """
    path = card_path(card.name, folder)
    replace_file(path, msgspec.json.format(msgspec.json.encode(card), indent=1))
    return path


def read_card(path: Path) -> JudgeCard:
    """One card, strictly.

    Raises:
        StoreError: there is none, it is damaged, or another evalkit wrote it.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StoreError(
            f"{path}: the judge card cannot be read ({error.strerror}); `evalkit judge calibrate` writes one."
        ) from None
    try:
        schema = msgspec.json.decode(data, type=_Schema).schema
        if schema != CARD_SCHEMA:
            raise StoreError(
                f"{path}: a judge card of schema {schema}, this evalkit reads {CARD_SCHEMA}; calibrate anew."
            )
        return msgspec.json.decode(data, type=JudgeCard)
    except (msgspec.DecodeError, RecursionError) as error:
        raise StoreError(
            f"{path}: is no judge card ({error}); restore it, or have `evalkit judge calibrate` write it."
        ) from None


def read_cards(folder: Path = CARDS) -> tuple[JudgeCard, ...]:
    """Every card of a folder, by name; none if there is no folder.

    Raises:
        StoreError: a file there is no card.
    """
    return tuple(read_card(path) for path in sorted(folder.glob("*.json")))
