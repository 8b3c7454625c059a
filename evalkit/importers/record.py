"""What an importer yields, before it is given an endpoint's facts and a place in a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from evalkit.adapters.parts import Gathered
from evalkit.types.chat import Message
from evalkit.types.generation import Usage
from evalkit.types.score import Score, Unscored
from evalkit.types.suite import Sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalkit.importers.opened import Opened


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the user says where files are silent. `endpoint` is `provider:model`."""

    suite: str
    endpoint: str | None = None
    renamed: dict[str, str] = {}

    def named(self, found: str, usual: str | None = None) -> str:
        """The endpoint for a model as a file calls it: the user's word first, then the importer's guess."""
        return self.renamed.get(found) or self.endpoint or usual or found


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One request and what came of it.

    `said` is a reply as adapters gather it, so that outcomes are told by the same rules as on the wire;
    None is a reply that the file does not hold, for a reason that it does not give. `status` is that of an
    error. `reasoning` etc. are inside `said`. Seconds, US dollars and Unix time are None where unknown.
    """

    said: Gathered | None
    prompt: tuple[Message, ...] = ()
    status: int | None = None
    usage: Usage | None = None
    total_s: float | None = None
    first_token_s: float | None = None
    usd: float | None = None
    at: float | None = None


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """One trial. `where` is the file and line, for messages.

    `again` marks a trial that was yielded before: only its scores are new.
    """

    suite: str
    sample: Sample
    endpoint: str
    epoch: int
    turns: tuple[Turn, ...]
    where: str
    scores: tuple[Score | Unscored, ...] = ()
    again: bool = False


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What a file says of a whole suite. `higher_is_better` is by metric, without its filter."""

    suite: str
    version: str | None = None
    higher_is_better: dict[str, bool] = {}
    settings: dict[str, object] = {}
    weights: dict[str, str] = {}
    software: dict[str, str] = {}


class Importer(Protocol):
    """A format that can be read."""

    name: str

    def recognizes(self, file: Opened) -> bool:
        """Whether a file looks like this format, from its name and beginning."""
        ...

    def read(self, files: Sequence[Opened], asked: Asked) -> Iterator[Imported | About]:
        """Everything in the files, in their order.

        Raises:
            UsageError: something breaks the format; the message names file and line.
        """
        ...
