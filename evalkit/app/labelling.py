"""One person's work on the labels of a run: what comes next, and every word of theirs on the disk at once."""

from __future__ import annotations

import hashlib
import re
import time
import webbrowser
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING

import msgspec

from evalkit.analysis.probes.labelling import labelling, to_settle
from evalkit.analysis.probes.sampling import candidates, to_label
from evalkit.app.look import load_whole_run
from evalkit.app.loop import run_loop
from evalkit.errors import UsageError
from evalkit.report.label_page import Asked, asked_of
from evalkit.scorers.probe import CLASSES
from evalkit.store.journal import read_label_steps
from evalkit.store.labels import append_label
from evalkit.types.label import LATER, UNCLEAR, WITHDRAWN, LabelRow, answer_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from evalkit.analysis.probes.labelling import Labelling
    from evalkit.analysis.probes.sampling import Candidate
    from evalkit.analysis.rundata import RunData
    from evalkit.types.generation import TrialKey

DEFAULT = 200
"""Answers that are drawn unless told otherwise."""
SAID = frozenset({*CLASSES, UNCLEAR})
NOTE = 2000
"""Characters that a note may have."""
_NAME = re.compile(r"\w[\w .@+-]{0,59}")


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What the page shows: the answer that is next (None when nothing is left), and how far one is.

    `item` is the answer's place in the draw, which tells nothing of where it is from. `between` are the
    classes that annotators gave, in an order of their own, where it is to be settled. `step` counts the steps
    that can be taken back.
    """

    item: int | None
    asked: Asked | None
    between: tuple[str, ...]
    done: int
    total: int
    later: int
    step: int


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one sitting: labels given `now`, answers `done` of `total` in all, put off `later`."""

    annotator: str
    now: int
    done: int
    total: int
    later: int

    def __str__(self) -> str:
        put_off = f"; {self.later} put off" if self.later else ""
        return f"{self.annotator}: {self.now} labelled now, {self.done} of {self.total} in all{put_off}."


class Sitting:
    """The queue of one annotator. Every change is on the disk before it is seen here."""

    def __init__(
        self,
        folder: Path,
        annotator: str,
        n: int = DEFAULT,
        *,
        settle: bool = False,
        languages: Sequence[str] = (),
    ) -> None:
        """Draw what is to be labelled, and find what this annotator has labelled or put off already.

        Args:
            folder: The run's.
            annotator: Whose labels they are.
            n: How many answers are drawn.
            settle: Only those on which annotators differ.
            languages: Only answers to questions in these; none for all.

        Raises:
            UsageError: the name will not do, or there is nothing to label.
            StoreError: the run is missing or damaged.
        """
        run = load_whole_run(folder)
        self.folder = folder
        self.annotator = named(annotator, run)
        self.settle = settle
        self._between: tuple[tuple[str, ...], ...] = ()
        read = frozenset(languages)
        self._items = self._to_settle(run, read) if settle else to_label(run, n, read)
        if not self._items:
            raise UsageError(nothing_to_do(run, settle=settle, languages=languages))
        self._done: dict[int, None] = {}
        self._later: dict[int, None] = {}
        self._history: list[tuple[str, int]] = []
        self._take_up()
        self._first: int | None = None  # what was just taken back comes next
        self._now: set[int] = set()

    def shown(self) -> Shown:
        """What comes next."""
        item = self._next()
        return Shown(
            item=item,
            asked=None if item is None else asked_of(self._items[item]),
            between=self._between[item] if self._between and item is not None else (),
            done=len(self._done),
            total=len(self._items),
            later=len(self._later),
            step=len(self._history),
        )

    def summary(self) -> Summary:
        """What became of it."""
        return Summary(
            annotator=self.annotator,
            now=len(self._now),
            done=len(self._done),
            total=len(self._items),
            later=len(self._later),
        )

    def label(self, item: int, label: str, note: str | None = None) -> None:
        """Give an answer a class, or find it unclear.

        Raises:
            UsageError: there is no such answer or class, or the note is too long.
            InfrastructureError: it cannot be written; nothing has changed.
        """
        self._known(item)
        if label not in SAID:
            raise UsageError(f"Unknown class {label[:40]!r}; expected one of {', '.join(sorted(SAID))}.")
        if note is not None and len(note) > NOTE:
            raise UsageError(f"A note may have {NOTE} characters; this one has {len(note)}.")
        self._write(item, label, note or None)
        self._now.add(item)
        self._later.pop(item, None)
        if item not in self._done:
            self._history.append(("label", item))
        self._done[item] = None
        self._first = None

    def put_off(self, item: int) -> None:
        """Put an answer at the end of the queue.

        Raises:
            UsageError: there is no such answer, or it is labelled.
            InfrastructureError: it cannot be written; nothing has changed.
        """
        self._known(item)
        if item in self._done:
            raise UsageError("This answer is labelled already; take that back first.")
        self._write(item, LATER, None)
        self._later.pop(item, None)
        self._later[item] = None
        self._history.append(("later", item))
        self._first = None

    def undo(self, number: int) -> None:
        """Take back the last step; the answer comes again.

        Nothing is done unless it has this number: a request whose reply got lost may come twice.

        Raises:
            InfrastructureError: it cannot be written; nothing has changed.
        """
        if not self._history or number != len(self._history):
            return
        step, item = self._history[-1]
        if (step == "label" and item in self._done) or item in self._later:
            self._write(item, WITHDRAWN, None)
        self._history.pop()
        if step == "label":
            self._now.discard(item)
            self._done.pop(item, None)
        self._later.pop(item, None)
        self._first = item

    def _next(self) -> int | None:
        if self._first is not None:
            return self._first
        fresh = (i for i in range(len(self._items)) if i not in self._done and i not in self._later)
        return next(fresh, next(iter(self._later), None))

    def _known(self, item: int) -> None:
        if not 0 <= item < len(self._items):
            raise UsageError(f"There is no answer {item}; expected 0 to {len(self._items) - 1}.")

    def _write(self, item: int, label: str, note: str | None) -> None:
        one = self._items[item]
        row = LabelRow(
            trial=one.trial,
            annotator=self.annotator,
            label=label,
            answer=answer_hash(one.text),
            at=time.time(),
            settles=self.settle,
            note=note,
        )
        append_label(self.folder, row)

    def _to_settle(self, run: RunData, languages: AbstractSet[str]) -> tuple[Candidate, ...]:
        wanted = [one for one in to_settle(run) if one.candidate.is_in(languages)]
        differing = sorted(wanted, key=lambda one: _drawn(one.candidate.trial, ""))
        self._between = tuple(
            tuple(sorted(set(one.classes), key=partial(_drawn, one.candidate.trial))) for one in differing
        )
        return tuple(one.candidate for one in differing)

    def _take_up(self) -> None:
        """Go on from the steps that this annotator took before, on the texts that the run still has."""
        places = {(one.trial, answer_hash(one.text)): place for place, one in enumerate(self._items)}
        for row in read_label_steps(self.folder):
            item = places.get((row.trial, row.answer))
            if item is not None and (row.annotator, row.settles) == (self.annotator, self.settle):
                put_off = row.label == LATER
                (self._later if put_off else self._done)[item] = None
                self._history.append(("later" if put_off else "label", item))


def _drawn(trial: TrialKey, what: str) -> bytes:
    """For an order that hangs on neither annotators nor endpoints."""
    return hashlib.sha256(msgspec.json.encode((trial, what))).digest()


def named(annotator: str, run: RunData) -> str:
    """An annotator's name as it is recorded.

    Raises:
        UsageError: it is none, or one like another's that wrote it differently.
    """
    name = " ".join(annotator.split())
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{annotator[:80]!r} is no annotator's name; expected up to 60 letters, digits, spaces and "
            "any of . @ + - _"
        )
    for other in {row.annotator for row in run.labels}:
        if other != name and other.casefold() == name.casefold():
            raise UsageError(
                f"This run has labels of {other!r}; write the name in the same way, or take another."
            )
    return name


def nothing_to_do(run: RunData, *, settle: bool, languages: Sequence[str] = ()) -> str:
    """Why there is nothing to label."""
    if languages:
        there = ", ".join(sorted({stratum.language for stratum in candidates(run)})) or "none"
        return (
            f"Run {run.manifest.run!r} has nothing to label in {', '.join(languages)}; its answers to probes "
            f"are in {there}."
        )
    if not settle:
        return (
            f"Run {run.manifest.run!r} has no delivered answer to a probe, so there is nothing to label; "
            "name a run of the suite `probes` or of one like it."
        )
    if len({row.annotator for row in run.labels if not row.settles}) < 2:
        return (
            f"Run {run.manifest.run!r} has labels of fewer than two annotators, so there is nothing to "
            "settle; have a second person label it."
        )
    return f"No answer of run {run.manifest.run!r} is left on which annotators differ."


def label_status(folder: Path) -> Labelling:
    """How far the labelling of a run has come.

    Raises:
        UsageError: it has no answers to probes.
        StoreError: the run is missing or damaged.
    """
    run = load_whole_run(folder)
    if not candidates(run):
        raise UsageError(nothing_to_do(run, settle=False))
    return labelling(run)


def label_run(
    folder: Path,
    annotator: str,
    n: int = DEFAULT,
    *,
    settle: bool = False,
    languages: Sequence[str] = (),
    opened: Callable[[str], object],
) -> Summary:
    """Serve the page on which somebody labels a run's answers, until Ctrl-C.

    Args:
        folder: The run's.
        annotator: Whose labels they are.
        n: How many answers are drawn.
        settle: Show only answers on which annotators differ, and decide.
        languages: Show only answers to questions in these; none for all.
        opened: Is given the page's address.

    Raises:
        UsageError: the name will not do, or there is nothing to label.
        StoreError: the run is missing or damaged.
        InfrastructureError: the page cannot be served.
    """
    from evalkit.app.label_server import serve

    sitting = Sitting(folder, annotator, n, settle=settle, languages=languages)
    run_loop(serve(sitting, opened))
    return sitting.summary()


def open_browser(address: str) -> None:
    """Show the page in the user's browser. A browser of the terminal would hold us up, so in a thread."""
    Thread(target=webbrowser.open, args=(address,), daemon=True).start()
