"""Keeps count of an import: its suites, samples, endpoints and metrics, and what contradicts them."""

from __future__ import annotations

import hashlib
import re
from typing import IO, TYPE_CHECKING, Any

import msgspec

from evalkit.catalog.providers import load_provider
from evalkit.errors import UnknownNameError, UsageError
from evalkit.types.chat import Settings
from evalkit.types.generation import TrialKey
from evalkit.types.provider import Endpoint, EndpointDeclaration, Operator, Provider, Weights
from evalkit.types.run import SuiteRecord
from evalkit.types.score import Metric, Score
from evalkit.types.suite import Plugin, Suite

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from evalkit.importers.record import About, Imported
    from evalkit.types.score import Unscored

MAX_SUITES = 500
MAX_ENDPOINTS = 1_000
MAX_EPOCHS = 1_000
MAX_PLANNED = 5_000_000
"""Bounds of a run that is imported, so that a hostile file cannot make a report of it endless."""

MAX_NAME = 200
NO_SCORE = Metric(
    name="score",
    title="Recorded score",
    meaning="The score that the imported file would have given; it has none.",
)
_ENDPOINT = re.compile(r"(?P<provider>[A-Za-z0-9][\w.-]{0,99}):(?P<model>[^\s\x00-\x1f\x7f]{1,200})")
_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]+")


def slug(name: str) -> str:
    """A name that is safe as a file's: a foreign suite may be called `../x`."""
    return _UNSAFE.sub("-", name).strip("-.")[:100] or "imported"


def endpoint_of(name: str, where: str, weights: str | None = None) -> Endpoint:
    """The endpoint `provider:model`: with the facts of a declared provider, else with none.

    Raises:
        UsageError: the name has another form.
    """
    match = _ENDPOINT.fullmatch(name)
    if match is None:
        raise UsageError(
            f"{where}: {name[:MAX_NAME]!r} is not an endpoint; expected provider:model (say who it is with "
            "--endpoint 'name in the file=provider:model')."
        )
    try:
        provider = load_provider(match["provider"]).provider
    except UnknownNameError:
        provider = Provider(
            id=match["provider"],
            name=match["provider"],
            kind="host",
            adapter="openai_chat",
            base_url="",
            key_env=None,
            operator=Operator(name="not declared"),
            note="Imported; no provider file declares it, so nothing is known of it.",
        )
    bare = EndpointDeclaration(
        model=match["model"], weights=Weights(repo=weights) if weights is not None else None
    )
    declared = next((d for d in provider.endpoints if d.model == match["model"]), bare)
    return Endpoint(
        id=name,
        provider=provider,
        declaration=declared,
        base_url=declared.base_url or provider.base_url,
        quirks=declared.quirks or provider.quirks,
    )


class _Values(msgspec.Struct):
    """What a metric's values look like."""

    binary: bool = True
    fraction: bool = True
    labels: dict[str, None] = {}
    good: bool = False
    count: int = 0

    def take(self, score: Score) -> None:
        self.count += 1
        self.binary = self.binary and score.value in {0.0, 1.0}
        self.fraction = self.fraction and 0.0 <= score.value <= 1.0
        if score.label is not None and len(self.labels) < 50:
            self.labels.setdefault(score.label[:MAX_NAME])
            self.good = self.good or score.value > 0

    def metric(self, name: str, higher: bool) -> Metric:
        kind = "binary" if self.binary else "fraction" if self.fraction else "number"
        return Metric(
            name=name,
            title=name,
            meaning="As the imported file gives it.",
            kind="label" if self.labels and self.binary else kind,  # type: ignore[arg-type]  # one of MetricKind
            higher_is_better=higher,
            labels=tuple(self.labels),
        )


class SuiteTally:
    """One suite of an import."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.version: str | None = None
        self.settings: dict[str, object] = {}
        self.directions: dict[str, bool] = {}
        self.values: dict[str, _Values] = {}
        self.epochs = 1
        self.samples: dict[str, bytes] = {}

    def metrics(self) -> tuple[Metric, ...]:
        """Every metric that was recorded, the primary one first."""
        made = {name: seen.metric(name, self._direction(name)) for name, seen in self.values.items()}
        if not made:
            return (NO_SCORE,)
        first = self._headline(made)
        order = [*([first] if first else []), *(name for name in made if name != first)]
        metrics = tuple(made[name] for name in order)
        return metrics if first else (NO_SCORE, *metrics)

    def _direction(self, metric: str) -> bool:
        """Whether higher is better; so it is unless the file says otherwise."""
        return self.directions.get(metric, self.directions.get(metric.partition(",")[0], True))

    def _headline(self, made: dict[str, Metric]) -> str | None:
        """The metric that stands for quality: a number before labels, and labels only if some are good."""
        numbers = [name for name, metric in made.items() if metric.kind != "label"]
        labels = [name for name, metric in made.items() if metric.kind == "label" and self.values[name].good]
        return next(iter((*numbers, *labels)), None)

    def hash(self) -> str:
        """SHA-256 of the questions and targets, whatever their order: the same ones may be compared."""
        digest = hashlib.sha256(self.name.encode())
        for content in sorted(self.samples.values()):
            digest.update(content)
        return digest.hexdigest()

    def record(self, source: str, file: str) -> SuiteRecord:
        """The suite for the manifest."""
        metrics = self.metrics()
        suite = Suite(
            id=self.name,
            version=self.version or "imported",
            title=self.name,
            description=f"Imported from {file} ({source}).",
            licence="not known",
            source=file,
            samples=f"{self.name}.jsonl",
            generation=_settings(self.settings),
            primary=metrics[0].name,
            solver=Plugin(name="recorded"),
            scorers=(
                Plugin(
                    name="recorded",
                    options={"source": source, "metrics": msgspec.to_builtins(metrics)},
                ),
            ),
            epochs=self.epochs,
        )
        return SuiteRecord(
            suite=suite, hash=self.hash(), samples=len(self.samples), epochs=self.epochs, metrics=metrics
        )


def _settings(told: dict[str, object]) -> Settings:
    """The sampling settings that a file tells and that we have a word for."""
    known = {name: value for name, value in told.items() if name in Settings.__struct_fields__}
    try:
        return msgspec.convert({"max_tokens": None, **known}, Settings)
    except msgspec.ValidationError:
        return Settings(max_tokens=None)


class Grid:
    """All suites, endpoints and trials of an import."""

    def __init__(self) -> None:
        self.suites: dict[str, SuiteTally] = {}
        self.software: dict[str, str] = {}
        self.trials = 0
        self._endpoints: dict[str, Endpoint] = {}
        self._weights: dict[str, str] = {}
        self._seen: dict[bytes, str] = {}
        self._files: dict[str, IO[bytes]] = {}

    def about(self, told: About) -> None:
        """Take what a file says of a suite."""
        suite = self._suite(told.suite, told.suite)
        suite.version = told.version or suite.version
        suite.settings = dict(told.settings) or suite.settings
        suite.directions |= told.higher_is_better
        self._weights |= told.weights
        self.software |= told.software

    def add(self, told: Imported, folder: Path) -> TrialKey:
        """Take a trial, and write its sample when it is the first of it.

        Raises:
            UsageError: it is in the files twice, or its sample differs from an earlier one of that name.
        """
        for what, value in (("sample", told.sample.id), ("suite", told.suite), ("endpoint", told.endpoint)):
            if not value or len(value) > MAX_NAME:
                raise UsageError(
                    f"{told.where}: {what} {value[:40]!r}… has {len(value)} characters; at most {MAX_NAME}."
                )
        if not 1 <= told.epoch <= MAX_EPOCHS:
            raise UsageError(f"{told.where}: epoch is {told.epoch}; expected 1 to {MAX_EPOCHS}.")
        suite = self._suite(told.suite, told.where)
        self._keep(suite, told, folder)
        trial = TrialKey(told.suite, told.sample.id, told.endpoint, told.epoch)
        key = hashlib.sha256(repr(msgspec.structs.astuple(trial)).encode()).digest()[:16]
        before = self._seen.get(key)
        if told.again and before is not None:
            return trial
        self._seen[key] = told.where
        if before is not None:
            raise UsageError(
                f"{told.where}: sample {told.sample.id!r} at {told.endpoint}, epoch {told.epoch}, is at "
                f"{before} already; give each repetition its own epoch."
            )
        suite.epochs = max(suite.epochs, told.epoch)
        self.trials += 1
        return trial

    def scored(self, suite: str, made: Sequence[Score | Unscored], told: Sequence[Score | Unscored]) -> None:
        """Learn the metrics of a trial, those of failed ones too."""
        values = self.suites[suite].values
        for score in told:
            if len(values) < 200:
                values.setdefault(score.metric[:MAX_NAME], _Values(labels={}))
        for score in made:
            if isinstance(score, Score) and score.metric in values:
                values[score.metric].take(score)

    def endpoint(self, name: str, where: str) -> Endpoint:
        """The endpoint of a name, made when it is met first."""
        found = self._endpoints.get(name)
        if found is None:
            if len(self._endpoints) >= MAX_ENDPOINTS:
                raise UsageError(f"{where}: there are more than {MAX_ENDPOINTS} endpoints; import in parts.")
            found = self._endpoints[name] = endpoint_of(name, where, self._weights.get(name))
        return found

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Endpoints in the order in which they were met."""
        return tuple(self._endpoints.values())

    def planned(self) -> int:
        """Trials of a full grid."""
        per_endpoint = sum(len(suite.samples) * suite.epochs for suite in self.suites.values())
        return per_endpoint * len(self._endpoints)

    def records(self, source: str, file: str) -> tuple[SuiteRecord, ...]:
        """The suites for the manifest."""
        return tuple(suite.record(source, file) for suite in self.suites.values() if suite.samples)

    def close(self) -> None:
        """Close the files of samples."""
        for file in self._files.values():
            file.close()

    def check(self) -> None:
        """Refuse what no report could be made of.

        Raises:
            UsageError: the grid of samples, epochs and endpoints is beyond reason.
        """
        if self.planned() > MAX_PLANNED:
            raise UsageError(
                f"The files hold {self.trials} trials of {self.planned()} that their samples, epochs and "
                f"endpoints span, more than {MAX_PLANNED}; import endpoints or suites apart."
            )

    def _suite(self, name: str, where: str) -> SuiteTally:
        found = self.suites.get(name)
        if found is None:
            if len(self.suites) >= MAX_SUITES:
                raise UsageError(f"{where}: there are more than {MAX_SUITES} suites; import in parts.")
            found = self.suites[name] = SuiteTally(name)
        return found

    def _keep(self, suite: SuiteTally, told: Imported, folder: Path) -> None:
        asked = (told.sample.id, told.sample.input, told.sample.target)
        digest = hashlib.sha256(msgspec.json.encode(asked)).digest()
        before = suite.samples.setdefault(told.sample.id, digest)
        if before is digest:
            self._file(suite.name, folder).write(msgspec.json.encode(told.sample) + b"\n")
        elif before != digest:
            raise UsageError(
                f"{told.where}: sample {told.sample.id!r} of {suite.name} differs from an earlier row "
                "of that name (prompt or target); one name is one question."
            )

    def _file(self, suite: str, folder: Path) -> Any:
        if suite not in self._files:
            folder.mkdir(exist_ok=True)
            self._files[suite] = (folder / f"{suite}.jsonl").open("wb")
        return self._files[suite]
