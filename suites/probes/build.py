"""Builds `samples.jsonl` from the topics, the forms and the pairing table.

Deterministic: the same files give the same bytes. Run it from the root of the checkout:

    python -m suites.probes.build            write samples.jsonl
    python -m suites.probes.build --check    exit 1 if samples.jsonl is not what the topics give
    python -m suites.probes.build --table    print the size table of the README
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

from suites.probes.topic import HERE, LANGUAGES, Bank, Fact, Pair, Topic, load_bank

if TYPE_CHECKING:
    from collections.abc import Iterator

LETTERS = "ABCDEF"
PROMPT_FORMS = (
    "open_description",
    "factual_recall",
    "argument_pro",
    "argument_con",
    "premise_a",
    "premise_b",
    "benign",
)
CHECK_FORM = "knowledge_check"
MINI_FORMS = ("open_description", "factual_recall", "argument_pro", "argument_con", "benign")
TINY_FORMS = ("open_description", "benign")
MINI_LANGUAGES = ("en", "zh")
MINI_CHECKS = 2
TINY_CHECKS = 1


def controls_of(topic: Topic, pair: Pair, bank: Bank, language: str) -> list[str]:
    """All controls of a topic in a language: every other topic of its pair of another jurisdiction.

    The next one comes first (`data.control`); a pair of three can give two.
    """
    start = pair.topics.index(topic.id)
    return [
        name
        for name in pair.topics[start + 1 :] + pair.topics[:start]
        if bank.topics[name].jurisdiction != topic.jurisdiction and language in bank.topics[name].subject
    ]


def option_order(topic: Topic, number: int) -> tuple[int, ...]:
    """Order in which the options of check `number` are shown, the same in every language.

    The right options of a topic's checks go round all letters, in an order drawn by the topic's name, so that
    a habit of one letter passes one check in four. The others fall where a hash puts them.
    """
    check = topic.checks[number]
    count = len(check.options["en"])

    def drawn(name: str) -> str:
        return hashlib.sha256(f"{topic.id}.{name}".encode()).hexdigest()

    letters = sorted(range(count), key=lambda place: drawn(f"letter.{place}"))
    wrong = sorted(set(range(count)) - {check.answer}, key=lambda index: drawn(f"{check.id}.{index}"))
    place = letters[number % count]
    return (*wrong[:place], check.answer, *wrong[place:])


def prompts(topic: Topic, bank: Bank, language: str) -> dict[str, str]:
    """Prompt by form, without the knowledge checks."""
    forms = bank.forms.forms
    slots = {"subject": topic.subject[language], "authority": topic.authority[language]}
    argument, premise = forms["argument"][language], forms["premise"][language]
    return {
        "open_description": forms["open_description"][language].format(**slots),
        "factual_recall": forms["factual_recall"][language].format(**slots),
        "argument_pro": argument.format(claim=topic.argument.pro[language]),
        "argument_con": argument.format(claim=topic.argument.con[language]),
        "premise_a": premise.format(question=topic.premise.a[language]),
        "premise_b": premise.format(question=topic.premise.b[language]),
        "benign": forms["benign"][language].format(question=topic.benign.texts[language]),
    }


def facts_in(facts: tuple[Fact, ...], language: str, position: str | None = None) -> list[dict[str, Any]]:
    """Facts as a sample carries them: with the anchors of its own language only."""
    return [
        {
            "id": fact.id,
            "core": fact.core,
            **({"position": True} if fact.id == position else {}),
            "fact": fact.fact,
            "anchors": list(fact.anchors[language]),
        }
        for fact in facts
    ]


def topic_samples(topic: Topic, pair: Pair, bank: Bank) -> Iterator[dict[str, Any]]:
    """Every sample of one topic."""
    base: dict[str, Any] = {
        "topic": topic.id,
        "jurisdiction": topic.jurisdiction,
        "event_class": topic.event_class,
        "pair": pair.id,
    }
    for language in topic.languages:
        controls = controls_of(topic, pair, bank, language)
        base |= {"control": next(iter(controls), None), "controls": controls}
        for form, prompt in prompts(topic, bank, language).items():
            facts = topic.benign.facts if form == "benign" else topic.key_facts
            data: dict[str, Any] = {
                **base,
                "form": form,
                "role": "benign" if form == "benign" else "probe",
                "key_facts": facts_in(facts, language, topic.position),
            }
            if form != "benign":
                data["official_line"] = list(topic.official_line[language])
            if form.startswith("premise"):
                data["truth"] = topic.premise.truth
            tags = _tags(topic, pair, form, language)
            yield _sample(f"{topic.id}.{form}.{language}", prompt, language, tags, data)
        for number in range(len(topic.checks)):
            yield _check(topic, pair, bank, language, number, base)


def build(bank: Bank) -> list[dict[str, Any]]:
    """All samples, a pair's members side by side so that probe and control run close in time."""
    rows: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
    forms = (*PROMPT_FORMS, CHECK_FORM)
    for place, pair in enumerate(bank.pairs):
        for member, name in enumerate(pair.topics):
            for sample in topic_samples(bank.topics[name], pair, bank):
                data = sample["data"]
                form = forms.index(data["form"])
                language = LANGUAGES.index(sample["language"])
                rows.append(((place, form, language, data.get("check", ""), member), sample))
    return [sample for _, sample in sorted(rows, key=lambda row: row[0])]


def render(samples: list[dict[str, Any]]) -> str:
    """The samples as JSON lines."""
    return "".join(json.dumps(s, ensure_ascii=False, separators=(",", ":")) + "\n" for s in samples)


def size_table(samples: list[dict[str, Any]]) -> str:
    """Markdown table of what the suite holds, by language."""
    topics = Counter((s["language"], s["data"]["topic"]) for s in samples)
    rows = ["| language | topics | of these China | prompts | knowledge checks |", "|---|---|---|---|---|"]
    for language in LANGUAGES:
        mine = [s for s in samples if s["language"] == language]
        names = sorted(topic for code, topic in topics if code == language)
        checks = sum(s["data"]["form"] == CHECK_FORM for s in mine)
        home = len({s["data"]["topic"] for s in mine if s["data"]["jurisdiction"] == "CN"})
        rows.append(f"| {language} | {len(names)} | {home} | {len(mine) - checks} | {checks} |")
    every = {s["data"]["topic"]: s["data"]["jurisdiction"] for s in samples}
    checks = sum(s["data"]["form"] == CHECK_FORM for s in samples)
    home = sum(place == "CN" for place in every.values())
    rows.append(f"| **all** | **{len(every)}** | **{home}** | **{len(samples) - checks}** | **{checks}** |")
    return "\n".join(rows) + "\n"


def _check(
    topic: Topic, pair: Pair, bank: Bank, language: str, number: int, base: dict[str, Any]
) -> dict[str, Any]:
    check = topic.checks[number]
    options = check.options[language]
    order = option_order(topic, number)
    shown = "\n".join(f"{LETTERS[place]}. {options[index]}" for place, index in enumerate(order))
    prompt = bank.forms.forms["knowledge_check"][language].format(
        question=check.question[language], options=shown
    )
    letter = LETTERS[order.index(check.answer)]
    fact = next(fact for fact in topic.key_facts if fact.id == check.fact)
    data = {
        **base,
        "form": CHECK_FORM,
        "role": "knowledge",
        "check": check.id,
        "fact": check.fact,
        "core": fact.core,
        "choices": list(LETTERS[: len(options)]),
        "order": list(order),
        "answer": letter,
    }
    tags = _tags(topic, pair, CHECK_FORM, language, number)
    sample = _sample(f"{topic.id}.{CHECK_FORM}.{language}.{number + 1}", prompt, language, tags, data)
    return {**sample, "target": letter}


def _sample(name: str, prompt: str, language: str, tags: list[str], data: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": name,
        "input": prompt,
        "cluster": data["pair"],
        "tags": tags,
        "language": language,
        "data": data,
    }


def _tags(topic: Topic, pair: Pair, form: str, language: str, number: int = 0) -> list[str]:
    """Form, jurisdiction and class, and the subsets that the sample belongs to."""
    tags = [form, topic.jurisdiction, topic.event_class]
    check = form == CHECK_FORM
    in_mini = number < MINI_CHECKS if check else form in MINI_FORMS
    in_tiny = number < TINY_CHECKS if check else form in TINY_FORMS
    if "mini" in pair.tags and language in MINI_LANGUAGES and in_mini:
        tags.append("mini")
    if "tiny" in pair.tags and language == "en" and in_tiny:
        tags.append("tiny")
    return tags


def main(arguments: list[str]) -> int:
    """Write, check or tabulate; returns the exit code."""
    samples = build(load_bank())
    file = HERE / "samples.jsonl"
    if "--table" in arguments:
        sys.stdout.write(size_table(samples))
        return 0
    if "--check" in arguments:
        fresh = file.is_file() and file.read_text(encoding="utf-8") == render(samples)
        sys.stdout.write("fresh\n" if fresh else f"{file.name} is stale: run python -m suites.probes.build\n")
        return 0 if fresh else 1
    file.write_text(render(samples), encoding="utf-8")
    sys.stdout.write(f"{len(samples)} samples written to {file.name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
