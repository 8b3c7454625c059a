"""Suites and samples as their files declare them."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from evalkit.types.chat import Message, Settings
from evalkit.types.score import MetricKind

Sensitivity = Literal["public", "internal", "confidential", "regulated"]


_NO_DATA: dict[str, Any] = {}


class Sample(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, gc=False
):
    """One item.

    `input` is the user's message or a whole conversation. `cluster` groups samples that are not
    independent (default: the sample itself). `data` belongs to the suite's solver and scorers, and is only
    read.
    """

    id: str
    input: str | tuple[Message, ...]
    target: Any = None
    cluster: str | None = None
    tags: tuple[str, ...] = ()
    language: str | None = None
    data: dict[str, Any] = {}

    def __post_init__(self) -> None:
        """Let all samples without data have one and the same: there may be very many of them."""
        if not self.data:
            msgspec.structs.force_setattr(self, "data", _NO_DATA)


class Plugin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A solver or scorer by name, with its own options."""

    name: str
    options: dict[str, Any] = {}


class SampleFilter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which samples belong to the suite; an empty field selects all."""

    tags: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()


class FewShot(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Examples that are shown before each question: `n` rows drawn by `seed`, the same for all samples.

    They come from `split`, or from the local file `path`, of the same data set unless given; `where` filters
    them. `user` and `assistant` are templates over an example that become turns before the sample's own; or
    the templates of `fields` use them as the list `fewshot`.
    """

    n: int
    split: str | None = None
    path: str | None = None
    seed: int = 0
    where: str | None = None
    user: str | None = None
    assistant: str | None = None


class DatasetSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Samples read by Hugging Face `datasets`.

    `path` is a hub id or a local Parquet, CSV, JSONL or Arrow file, or a pattern of such files (relative to
    the suite's folder). With
    `package`, it is a data file inside of that installed Python package, which is read and never imported;
    `extra` is the extra of evalkit that installs it. `fields` maps sample fields to sandboxed Jinja templates
    or expressions over a row. `where` is an expression; rows for which it is false are left out. `limit` is
    the number of samples after that. With `streaming`, rows are read one by one and not kept.
    """

    path: str
    package: str | None = None
    extra: str = "datasets"
    config: str | None = None
    split: str = "test"
    revision: str | None = None
    fields: dict[str, Any] = {}
    where: str | None = None
    shuffle_seed: int | None = None
    limit: int | None = None
    streaming: bool = False
    fewshot: FewShot | None = None


class LmEvalSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Samples that tasks of lm-eval make.

    `tasks` are names of tasks, groups or tags; `include_path` is a folder of your own ones (relative to the
    suite's). `limit` is documents per task. `num_fewshot` and `gen_kwargs` override the tasks', as the
    options of `lm_eval` do. `gen_prefix: send` allows tasks that begin the model's answer. `kinds` says what
    the values of metrics with code of their own are (`binary`, `fraction`; `number` if not said).
    """

    tasks: tuple[str, ...]
    include_path: str | None = None
    num_fewshot: int | None = None
    fewshot_as_multiturn: bool = True
    fewshot_seed: int = 1234
    limit: int | None = None
    gen_kwargs: dict[str, Any] = {}
    gen_prefix: Literal["refuse", "send"] = "refuse"
    kinds: dict[str, MetricKind] = {}


class Suite(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `suite.yaml`.

    `samples` is a JSONL file beside it, a `datasets` source, or `<source>:<what>` for a module of
    `evalkit.catalog.sources`; in its place, `lm_eval` names tasks of lm-eval. `primary` names the metric that
    stands for the suite's quality; `family` groups suites in the report's matrix. `generation` are the
    settings of every request unless a solver says otherwise; `system` is sent as the system message if given.
    """

    id: str
    version: str
    title: str
    description: str
    licence: str
    source: str
    generation: Settings
    primary: str
    scorers: tuple[Plugin, ...]
    samples: str | DatasetSource | None = None
    lm_eval: LmEvalSource | None = None
    solver: Plugin = Plugin(name="answer")
    family: str | None = None
    sensitivity: Sensitivity = "public"
    system: str | None = None
    epochs: int = 1
    filter: SampleFilter = SampleFilter()
    tags: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()


class LoadedSuite(msgspec.Struct, frozen=True, kw_only=True):
    """A suite with its samples, where it was found, and the SHA-256 of everything that was used."""

    suite: Suite
    samples: tuple[Sample, ...]
    folder: str
    hash: str
