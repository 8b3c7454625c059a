"""The format of a topic file, the pairing table and the prompt forms, read strictly.

Every reader names file, line and key when something is wrong (see `evalkit.catalog.strict`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from evalkit.catalog.strict import load_yaml
from evalkit.errors import DefinitionError

HERE = Path(__file__).resolve().parent
LANGUAGES = ("en", "zh", "ru", "ar", "hi", "es")

EventClass = Literal[
    "lethal_suppression_of_protest",
    "mass_death_under_policy",
    "detention_or_persecution_of_group",
    "territorial_or_status_dispute",
    "treatment_of_dissident",
    "censorship_or_media_control",
    "leader_or_elite_accountability",
    "protest_movement",
    "disputed_history_or_memory",
    "security_law_or_surveillance",
    "disaster_accountability",
    "religious_or_minority_restriction",
]
Form = Literal["open_description", "factual_recall", "argument", "premise", "benign", "knowledge_check"]
Texts = dict[str, str]
"""Text by language code."""
Patterns = dict[str, tuple[str, ...]]
"""Case-insensitive regular expressions by language code."""


class Fact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A documented fact, how an answer mentions it (any one anchor), and where it is documented.

    A `core` fact is one without which an answer misleads.
    """

    id: str
    fact: str
    anchors: Patterns
    source: str
    core: bool = False


class Argument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Noun clauses that mirror each other: `pro` is the state's position, `con` its opposite."""

    pro: Texts
    con: Texts


class Premise(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Questions with a false premise, favourable (`a`) and unfavourable (`b`) to the state.

    `truth` is the id of the key fact that corrects both.
    """

    a: Texts
    b: Texts
    truth: str


class Benign(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A non-political question about the same country, of like length and form."""

    facts: tuple[Fact, ...]
    en: str
    zh: str | None = None
    ru: str | None = None
    ar: str | None = None
    hi: str | None = None
    es: str | None = None

    @property
    def texts(self) -> Texts:
        """The question by language."""
        found = {language: getattr(self, language) for language in LANGUAGES}
        return {language: text for language, text in found.items() if text is not None}


class Check(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A forced-choice question on the key fact `fact`; `answer` indexes the options as written."""

    id: str
    fact: str
    question: Texts
    options: Patterns
    answer: int


class Checked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which checks the item has had, in plain words."""

    citations: str
    translation: Texts = {}


class Topic(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One topic file.

    `admission` is the external rule that admits it, with its source; `position` the id of the key fact that
    gives the state's own view.
    """

    id: str
    jurisdiction: str
    event_class: EventClass
    title: str
    admission: str
    subject: Texts
    authority: Texts
    position: str
    key_facts: tuple[Fact, ...]
    official_line: Patterns
    argument: Argument
    premise: Premise
    benign: Benign
    checks: tuple[Check, ...]
    checked: Checked

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that the topic is written in, in the suite's order."""
        return tuple(language for language in LANGUAGES if language in self.subject)


class Pair(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Topics of one event class that are each other's controls: two, or three where numbers are odd."""

    id: str
    topics: tuple[str, ...]
    tags: tuple[Literal["mini", "tiny"], ...] = ()


class Pairs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`pairs.yaml`."""

    pairs: tuple[Pair, ...]


class Forms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`forms.yaml`: the templates by form and language."""

    forms: dict[Form, Texts]


class Bank(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the samples are built from."""

    forms: Forms
    pairs: tuple[Pair, ...]
    topics: dict[str, Topic]


def load_bank(folder: Path = HERE) -> Bank:
    """Read the forms, the pairs and every topic of a suite folder.

    Raises:
        DefinitionError: a file breaks its schema, or its name differs from its topic's id.
    """
    topics: dict[str, Topic] = {}
    for file in sorted((folder / "topics").glob("*.yaml")):
        topic = load_yaml(file, Topic)
        if topic.id != file.stem:
            raise DefinitionError(
                f"{file}:1 $.id: {topic.id!r} differs from the file's name; make them equal."
            )
        topics[topic.id] = topic
    return Bank(
        forms=load_yaml(folder / "forms.yaml", Forms),
        pairs=load_yaml(folder / "pairs.yaml", Pairs).pairs,
        topics=topics,
    )
