"""Documents of lm-eval's tasks as samples."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.errors import DefinitionError
from evalkit.lmeval.metrics import declared, facts_of
from evalkit.lmeval.tasks import load, undisturbed, version
from evalkit.types.chat import Message, Settings
from evalkit.types.suite import Plugin, Sample

if TYPE_CHECKING:
    from pathlib import Path

    from evalkit.types.suite import LmEvalSource, Suite

NAME = "lm_eval"
"""Solver, scorer, and key in a sample's data."""

_SETTINGS = {"temperature", "top_p", "top_k", "seed", "presence_penalty", "frequency_penalty"}
_NOT_SENT = {"do_sample", "until", "max_gen_toks", "max_tokens"}


class Document(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One document of a task and what is asked about it.

    `settings` are the task's own, under the names of `evalkit.types.chat.Settings`. `pairs` are contexts with
    the continuations whose probability is asked; without any, an answer is generated `repeats` times.
    """

    task: str
    number: int
    doc: dict[str, Any]
    settings: dict[str, Any] = {}
    repeats: int = 1
    pairs: tuple[tuple[str, str], ...] = ()


def document_of(sample: Sample) -> Document:
    """The document that a sample holds."""
    return msgspec.convert(sample.data[NAME], Document)


def read(suite: Suite, source: LmEvalSource, folder: Path) -> tuple[Suite, list[Sample]]:
    """The samples of the tasks that a suite names, and the suite with what its scorer must know of them.

    Raises:
        DefinitionError: solver or scorer is another, or a task asks for what evalkit does not do.
        UsageError: a task cannot be loaded; see `evalkit.lmeval.tasks.load`.
    """
    if suite.solver.name != NAME or NAME not in {scorer.name for scorer in suite.scorers}:
        raise DefinitionError(
            f"suite {suite.id}: `lm_eval` needs `solver: {{name: lm_eval}}` and the scorer `lm_eval`."
        )
    loaded = load(source, folder)
    samples: list[Sample] = []
    with undisturbed(), contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        for name, task in loaded.tasks.items():
            samples += _documents(name, task, loaded.groups[name], source, suite)
    options = {
        "version": version(),
        "source": msgspec.to_builtins(source),
        "tasks": {n: msgspec.to_builtins(facts_of(t)) for n, t in loaded.tasks.items()},
        "metrics": msgspec.to_builtins(declared(loaded.tasks, source)),
    }
    scorers = tuple(Plugin(name=s.name, options=options) if s.name == NAME else s for s in suite.scorers)
    return msgspec.structs.replace(suite, scorers=scorers), samples


def located(suite: Suite, folder: Path) -> Suite:
    """The suite whose scorer knows where own tasks are on this machine, which is no part of its hash."""
    scorers = tuple(
        Plugin(name=s.name, options={**s.options, "folder": str(folder.resolve())}) if s.name == NAME else s
        for s in suite.scorers
    )
    return msgspec.structs.replace(suite, scorers=scorers)


def _documents(
    name: str, task: Any, groups: tuple[str, ...], source: LmEvalSource, suite: Suite
) -> list[Sample]:
    chat = task.OUTPUT_TYPE == "generate_until"
    task.set_fewshot_seed(
        seed=source.fewshot_seed
    )  # each time: the task keeps its generator between readings
    try:
        task.build_all_requests(
            limit=source.limit,
            system_instruction=suite.system,
            apply_chat_template=chat,
            fewshot_as_multiturn=source.fewshot_as_multiturn,
            chat_template=_as_json if chat else None,
        )
    except Exception as error:  # noqa: BLE001  # code of others, which may raise anything
        raise DefinitionError(
            f"lm_eval.tasks: {name!r} cannot build its requests: {type(error).__name__}: {error}."
        ) from None
    instances = sorted(task.instances, key=lambda one: (one.doc_id, one.idx))
    samples = []
    for number, asked in itertools.groupby(instances, key=lambda one: one.doc_id):
        samples.append(_sample(name, task, number, list(asked), suite.generation, groups))
    return samples


def _as_json(history: list[dict[str, Any]], *, add_generation_prompt: bool = True) -> str:
    """lm-eval's chat template: the messages themselves, as text, because it hashes what it gets."""
    del add_generation_prompt  # a begun answer is the last message
    return json.dumps(history, ensure_ascii=False)


def _sample(
    name: str, task: Any, number: int, asked: list[Any], settings: Settings, groups: tuple[str, ...]
) -> Sample:
    doc = _plain(asked[0].doc, f"{name} document {number}")
    kinds = {one.request_type for one in asked}
    if kinds == {"generate_until"} and len(asked) == 1:
        context, given = asked[0].args
        document = Document(
            task=name,
            number=number,
            doc=doc,
            settings=_settings(name, dict(given), settings),
            repeats=asked[0].repeats or 1,
        )
        said: str | tuple[Message, ...] = tuple(
            Message(role=m["role"], content=m["content"]) for m in json.loads(context)
        )
    elif kinds == {"loglikelihood"}:
        pairs = tuple(_pair(name, *one.args) for one in asked)
        document = Document(task=name, number=number, doc=doc, pairs=pairs)
        said = pairs[0][0]
    else:
        raise DefinitionError(
            f"lm_eval.tasks: {name!r} asks {len(asked)} times ({', '.join(kinds)}) for a document."
        )
    return Sample(
        id=f"{name}/{number}",
        input=said,
        target=_target(task, asked[0].doc),
        tags=(name, *groups),
        data={NAME: msgspec.to_builtins(document)},
    )


def _plain(doc: Any, where: str) -> dict[str, Any]:
    """A document as JSON, exactly: it is recorded with the run and scored from there."""
    try:
        plain = json.loads(json.dumps(doc, ensure_ascii=False, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise DefinitionError(f"lm_eval.tasks: {where} cannot be kept as JSON: {error}.") from None
    if not isinstance(plain, dict) or plain != doc:
        raise DefinitionError(f"lm_eval.tasks: {where} changes when it is kept as JSON; use plain fields.")
    return plain


def _pair(name: str, context: str, continuation: str) -> tuple[str, str]:
    """Blanks at the context's end belong to the continuation, as lm-eval's own clients have it."""
    bare = context.rstrip()
    if not bare:
        raise DefinitionError(
            f"lm_eval.tasks: {name!r} asks for probabilities without a context (acc_mutual_info), and hosts "
            "give none for a first token; leave that metric out."
        )
    return bare, context[len(bare) :] + continuation


def _settings(name: str, given: dict[str, Any], own: Settings) -> dict[str, Any]:
    """What a task asks for, as lm-eval's clients send it: temperature 0 where it says nothing."""
    stops = given.get("until") or []
    settings: dict[str, Any] = {
        "temperature": 0.0,
        "stop": [stops] if isinstance(stops, str) else list(stops),
    }
    limit = given.get("max_tokens", given.get("max_gen_toks"))
    if limit is None and own.max_tokens is None:
        raise DefinitionError(
            f"lm_eval.tasks: {name!r} sets no max_gen_toks; give `generation.max_tokens` "
            "(lm-eval would send 256)."
        )
    settings["max_tokens"] = limit
    settings |= {key: value for key, value in given.items() if key in _SETTINGS}
    extra = {key: value for key, value in given.items() if key not in _SETTINGS | _NOT_SENT}
    return {**settings, **({"extra": extra} if extra else {})}


def _target(task: Any, doc: dict[str, Any]) -> Any:
    """For the reader only: what a task compares with is its own affair."""
    try:
        target = task.doc_to_target(doc)
        if isinstance(target, int) and task.get_config("doc_to_choice") is not None:
            target = task.doc_to_choice(doc)[target]
    except Exception:  # noqa: BLE001  # code of others, which may raise anything
        return None
    return target if isinstance(target, str | int | float) else str(target)


def solver_settings(suite: Suite, document: Document) -> Settings:
    """The task's settings under the suite's own: what a user sets is what is sent."""
    own = {
        name: value
        for name, value in msgspec.to_builtins(suite.generation).items()
        if value not in (None, [], {})
    }
    extra = {**document.settings.get("extra", {}), **own.get("extra", {})}
    merged = {**document.settings, **own, **({"extra": extra} if extra else {})}
    return msgspec.convert(merged, Settings)
