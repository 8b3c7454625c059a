"""The keywords of functions that ask endpoints: what is asked, and how it is worked."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from evalkit.app.judges import Panel
from evalkit.app.run import Conduct as AppConduct
from evalkit.app.setup import RunOptions
from evalkit.engine.budget import Bounds
from evalkit.engine.plan import Shard
from evalkit.errors import UsageError
from evalkit.store.folder import find_run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalkit.ports.core import Progress
    from evalkit.types.generation import Generation, TrialKey

_log = logging.getLogger("evalkit")

PathLike = str | Path


class Selection(TypedDict, total=False):
    """What is asked, and of whom. Each has the meaning of the option of that name.

    Attributes:
        weights: Every declared endpoint of these weights, a Hugging Face repository.
        providers: Only these of them.
        on: Endpoints, `provider:model`.
        reference: Endpoint that others are compared with; the first by default.
        tags: Only samples with one of these tags.
        limit: Only the first so many samples of each suite.
        epochs: Draws of each sample, instead of the suite's.
        settings: Generation settings by name, such as `{"temperature": 0}`.
        seed: Seed of the working order.
        policy: Policy file; `./policy.yaml` by default.
        prices: Your price file; `./prices.yaml` by default.
        shard: Work part `(I, N)` of the samples.
        judges: Judges for answers to probes, `provider:model`, two or more.
        reserves: Who is asked where a judge is blocked or fails.
    """

    weights: str
    providers: Sequence[str]
    on: str | Sequence[str]
    reference: str
    tags: Sequence[str]
    limit: int
    epochs: int
    settings: Mapping[str, object]
    seed: int
    policy: PathLike
    prices: PathLike
    shard: tuple[int, int]
    judges: Sequence[str]
    reserves: Sequence[str]


class Conduct(TypedDict, total=False):
    """How it is worked. Each has the meaning of the option of that name.

    Attributes:
        results: Folder of runs; `results` by default.
        name: Name of the run; made from its plan by default.
        concurrency: Requests at once per provider, at most.
        sandbox: For code: `auto`, `bubblewrap`, `docker`, `podman` or `none`.
        i_understand: With `sandbox="none"`: code of models may do all that you may on this machine.
        executor: Where trials are worked: `here`, `ray` or `ray://host:port`.
        transport: Network client: `auto`, `aiohttp` or `openai`.
        stream: Stream answers; without it there is no first token.
        max_failed: Share of trials that hosts may fail before `InfrastructureError` is raised.
        max_cost: Stop before the run has cost this many US dollars in all.
        max_requests: Stop before the run has sent more requests than this in all.
        max_minutes: Start no trial after so many minutes.
        timeout_s: Seconds that one attempt may take.
        reuse: Take equal questions' answers from these recorded runs.
        progress: Someone who watches; see `evalkit.ports.core.Progress`.
        otel: Send a span for each request to `OTEL_EXPORTER_OTLP_ENDPOINT`.
    """

    results: PathLike
    name: str
    concurrency: int
    sandbox: str
    i_understand: bool
    executor: str
    transport: str
    stream: bool
    max_failed: float
    max_cost: float
    max_requests: int
    max_minutes: float
    timeout_s: float
    reuse: Sequence[PathLike]
    progress: Progress
    otel: bool


class Asking(Selection, Conduct, total=False):
    """Everything that a run can be told."""


class Quiet:
    """Watches without a word; what an engine notices goes to the logger `evalkit`."""

    def started(self, key: TrialKey) -> None:
        """A trial began."""

    def generated(self, generation: Generation, *, recorded: bool) -> None:
        """A generation ended."""

    def finished(self, key: TrialKey, outcome: str) -> None:
        """A trial ended."""

    def noticed(self, message: str) -> None:
        """Something that a watcher wants to know."""
        _log.info("%s", message)


def several(names: str | Sequence[str]) -> tuple[str, ...]:
    """One name or several."""
    return (names,) if isinstance(names, str) else tuple(names)


def text(path: PathLike | None) -> str | None:
    """A path as the layers below take it."""
    return None if path is None else str(path)


def results_of(options: Mapping[str, Any]) -> Path:
    """The folder of runs."""
    return Path(options.get("results") or "results")


SELECTING = frozenset(Selection.__annotations__)
CONDUCTING = frozenset(Conduct.__annotations__)
NAMING_ENDPOINTS = frozenset({"weights", "providers", "on", "reference"})


def check_names(options: Mapping[str, Any], allowed: frozenset[str]) -> None:
    """Refuse a keyword that is misspelt or means nothing here, as a call of Python would.

    Raises:
        TypeError: there is no such keyword.
    """
    wrong = sorted(set(options) - allowed)
    if wrong:
        raise TypeError(f"unexpected keyword {wrong[0]!r}; known are {', '.join(sorted(allowed))}")


def selected(suites: str | Sequence[str], options: Mapping[str, Any]) -> RunOptions:
    """What is asked, as the application takes it.

    Raises:
        UsageError: a shard that is no part.
    """
    index, count = options.get("shard") or (1, 1)
    if not 1 <= index <= count:
        raise UsageError(f"shard {(index, count)} is not (I, N) with 1 ≤ I ≤ N.")
    providers = options.get("providers")
    return RunOptions(
        suites=several(suites),
        weights=options.get("weights"),
        providers=several(providers) if providers is not None else None,
        on=several(options.get("on") or ()),
        tags=several(options.get("tags") or ()),
        limit=options.get("limit"),
        epochs=options.get("epochs"),
        seed=options.get("seed") or 0,
        reference=options.get("reference"),
        policy=text(options.get("policy")),
        prices=text(options.get("prices")),
        shard=Shard(index, count),
        settings=dict(options.get("settings") or {}),
        panel=panel_of(options),
    )


def panel_of(options: Mapping[str, Any]) -> Panel:
    """Who judges."""
    return Panel(judges=several(options.get("judges") or ()), reserves=several(options.get("reserves") or ()))


def conducted(options: Mapping[str, Any]) -> AppConduct:
    """How it is worked, as the application takes it."""
    results = results_of(options)
    plain = (
        "name",
        "concurrency",
        "sandbox",
        "i_understand",
        "executor",
        "transport",
        "stream",
        "max_failed",
        "timeout_s",
    )
    return AppConduct(
        results=results,
        budget=Bounds(
            usd=options.get("max_cost"),
            requests=options.get("max_requests"),
            minutes=options.get("max_minutes"),
        ),
        reuse=tuple(find_run(str(other), results) for other in options.get("reuse") or ()),
        argv=("(library)",),
        **{name: options[name] for name in plain if options.get(name) is not None},
    )


def watcher(options: Mapping[str, Any]) -> Progress:
    """Who watches."""
    given: Progress | None = options.get("progress")
    return given if given is not None else Quiet()
