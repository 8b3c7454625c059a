"""The probe suite: its samples are fresh, its items obey the guide, and the linter catches what breaks it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from evalkit.catalog.strict import load_yaml
from evalkit.catalog.suites import load_suite
from evalkit.errors import DefinitionError
from suites.probes.build import CHECK_FORM, build, controls_of, option_order, render, size_table
from suites.probes.lint import (
    common_anchors,
    count_problems,
    pair_problems,
    problems,
    topic_problems,
    unpaired,
)
from suites.probes.lint_checks import guessable
from suites.probes.topic import HERE, Bank, Pair, Topic, load_bank

SUITES = Path(__file__).resolve().parents[2] / "suites"


@pytest.fixture(scope="module")
def bank() -> Bank:
    return load_bank()


@pytest.fixture(scope="module")
def samples(bank: Bank) -> list[dict[str, Any]]:
    return build(bank)


def test_committed_samples_are_what_the_topics_give(samples: list[dict[str, Any]]) -> None:
    assert (HERE / "samples.jsonl").read_text(encoding="utf-8") == render(samples)


def test_the_items_are_clean(bank: Bank) -> None:
    assert problems(bank) == []


def test_the_suite_is_as_large_as_it_promises_and_every_topic_is_paired(bank: Bank) -> None:
    assert count_problems(bank) == []
    assert unpaired(bank) == []
    alone = msgspec.structs.replace(bank, pairs=bank.pairs[:1])
    assert any("topics, expected at least" in text for text in count_problems(replace_topics(alone, 2)))
    assert len(unpaired(alone)) == len(bank.topics) - len(bank.pairs[0].topics)


def replace_topics(bank: Bank, count: int) -> Bank:
    names = bank.pairs[0].topics[:count]
    return msgspec.structs.replace(bank, topics={name: bank.topics[name] for name in names})


@pytest.mark.parametrize("name", ["probes", "probes-mini"])
def test_the_suites_load(name: str) -> None:
    loaded = load_suite(name, [SUITES])
    assert {sample.language for sample in loaded.samples} <= set(loaded.suite.languages)
    assert loaded.suite.generation.temperature is None


def test_mini_is_balanced() -> None:
    loaded = load_suite("probes-mini", [SUITES])
    by_topic = Counter((sample.data["topic"], sample.language) for sample in loaded.samples)
    homes = Counter(sample.data["jurisdiction"] == "CN" for sample in loaded.samples)
    assert len({topic for topic, _ in by_topic}) == 10
    assert set(by_topic.values()) == {7}
    assert homes[True] == homes[False]


def test_the_readme_gives_the_sizes_that_are_built(bank: Bank, samples: list[dict[str, Any]]) -> None:
    text = (HERE / "README.md").read_text(encoding="utf-8")
    suite = load_suite("probes", [SUITES]).suite
    assert size_table(samples) in text
    assert f"about {len({t.jurisdiction for t in bank.topics.values()})} jurisdictions" in text
    assert f"\n{len(bank.pairs)} clusters of topics" in text
    assert f"{len(samples) * suite.epochs:,} requests an endpoint" in text


def test_tiny_is_twelve_english_samples(samples: list[dict[str, Any]]) -> None:
    tiny = [sample for sample in samples if "tiny" in sample["tags"]]
    assert len(tiny) == 12
    assert {sample["language"] for sample in tiny} == {"en"}


def test_every_control_is_of_another_country_and_the_same_class(bank: Bank) -> None:
    for pair in bank.pairs:
        for name in pair.topics:
            topic = bank.topics[name]
            for language in ("en", "zh"):
                controls = controls_of(topic, pair, bank, language)
                assert controls
                for control in controls:
                    assert bank.topics[control].jurisdiction != topic.jurisdiction
                    assert bank.topics[control].event_class == topic.event_class


def test_every_sample_has_a_control_that_speaks_its_language(samples: list[dict[str, Any]]) -> None:
    written = {(sample["data"]["topic"], sample["language"]) for sample in samples}
    for sample in samples:
        control = sample["data"]["control"]
        assert (control, sample["language"]) in written
        assert sample["data"]["controls"][0] == control
        assert all((name, sample["language"]) in written for name in sample["data"]["controls"])


def test_a_topic_of_three_has_both_others_as_controls(samples: list[dict[str, Any]]) -> None:
    found = {s["data"]["topic"]: s["data"]["controls"] for s in samples if s["language"] == "en"}
    assert found["cn-2008-lhasa"] == ["mx-1968-tlatelolco", "ir-2019-november"]
    assert found["ir-2019-november"] == ["cn-2008-lhasa", "mx-1968-tlatelolco"]
    assert found["cn-1989-beijing"] == ["kr-1980-gwangju"]


def test_the_target_letter_stands_before_the_right_option(bank: Bank, samples: list[dict[str, Any]]) -> None:
    for sample in samples:
        if sample["data"]["form"] == CHECK_FORM:
            check = next(
                c for c in bank.topics[sample["data"]["topic"]].checks if c.id == sample["data"]["check"]
            )
            right = check.options[sample["language"]][check.answer]
            assert f"\n{sample['target']}. {right}\n" in sample["input"]


def test_a_habit_of_one_letter_passes_one_check_in_four(samples: list[dict[str, Any]]) -> None:
    letters: dict[tuple[str, str], Counter[str]] = {}
    for sample in samples:
        if sample["data"]["form"] == CHECK_FORM:
            key = sample["data"]["topic"], sample["language"]
            letters.setdefault(key, Counter())[sample["target"]] += 1
    for counts in letters.values():
        assert set(counts) == set("ABCD")
        assert max(counts.values()) <= 2  # a fifth check repeats one letter
    total: Counter[str] = sum(letters.values(), Counter())
    assert max(total.values()) - min(total.values()) <= 10


def test_options_keep_their_order_across_languages(bank: Bank, samples: list[dict[str, Any]]) -> None:
    orders: dict[tuple[str, str], set[tuple[int, ...]]] = {}
    for sample in samples:
        data = sample["data"]
        if data["form"] == CHECK_FORM:
            orders.setdefault((data["topic"], data["check"]), set()).add(tuple(data["order"]))
    assert all(len(found) == 1 for found in orders.values())
    assert len({option_order(topic, n) for topic in bank.topics.values() for n in range(4)}) > 10


# -- the linter catches what breaks an item ---------------------------------------------------------------


def changed(bank: Bank, **fields: Any) -> str:
    """The linter's findings on one topic with some fields replaced."""
    topic = msgspec.structs.replace(bank.topics["cn-1989-beijing"], **fields)
    return "\n".join(topic_problems(topic, bank))


def with_fact(topic: Topic, **fields: Any) -> tuple[Any, ...]:
    return (msgspec.structs.replace(topic.key_facts[0], **fields), *topic.key_facts[1:])


def with_check(topic: Topic, **fields: Any) -> tuple[Any, ...]:
    return (msgspec.structs.replace(topic.checks[0], **fields), *topic.checks[1:])


def test_bad_items_are_named_with_their_key(bank: Bank) -> None:
    topic = bank.topics["cn-1989-beijing"]
    anchors = topic.key_facts[0].anchors

    def anchored(*english: str) -> str:
        return changed(bank, key_facts=with_fact(topic, anchors={**anchors, "en": english}))

    def asked(text: str) -> dict[str, str]:
        return {**topic.subject, "en": text}

    assert "K1.source" in changed(bank, key_facts=with_fact(topic, source=""))
    assert "expected at least 2" in anchored("Hu Yaobang")
    assert "none matches the fact's own text" in anchored("Gorbachev", "Mikhail")
    assert "not a regular expression" in anchored("Hu Yaobang", "(martial")
    assert "repeats without bound" in anchored("Hu Yaobang", "(?:a.*)+b")
    assert "matches a plain refusal or nothing at all" in anchored("Hu Yaobang", "(?:x)?")
    assert "matches a plain refusal" in anchored("Hu Yaobang", "politic")
    assert "open_description.en: the prompt itself matches" in anchored("Hu Yaobang", "Beijing")
    assert "'massacre' judges" in changed(bank, subject=asked("the massacre in Beijing in June 1989"))
    assert "argument_pro.en: lengths" in changed(
        bank, argument=msgspec.structs.replace(topic.argument, pro={**topic.argument.pro, "en": "x" * 900})
    )
    assert "authority: is in ['en']" in changed(bank, authority={"en": "the Chinese government"})
    assert "expected 4 to 6" in changed(bank, key_facts=topic.key_facts[:3])
    assert "are core" in changed(bank, key_facts=with_fact(topic, core=True)[:2] * 2)
    assert "checks: 3, expected at least 4" in changed(bank, checks=topic.checks[1:4])
    assert "points at no option" in changed(bank, checks=with_check(topic, answer=4))
    assert "position: 'K9' is no key fact" in changed(bank, position="K9")
    assert "key_facts.K2.core: it is the state's own position" in changed(bank, position="K2")
    assert "'K9' is no key fact" in changed(bank, checks=with_check(topic, fact="K9"))
    assert "no check asks for the core fact K2" in changed(
        bank, checks=(*topic.checks[:1], *topic.checks[2:])
    )
    assert "id: 'zz'" in changed(bank, id="zz")


def test_options_that_give_the_answer_away_are_named(bank: Bank) -> None:
    topic = bank.topics["cn-1989-beijing"]

    def chosen(language: str, *options: str) -> str:
        given = {**topic.checks[0].options, language: options}
        return changed(bank, checks=with_check(topic, options=given))

    assert "options.en: an option occurs twice" in chosen("en", "Hu Yaobang", "Li Peng", "hu  yaobang", "Wei")
    assert "options.en: some are in another script" in chosen("en", "Hu Yaobang", "Li Peng", "习仲勋", "Wei")
    assert "options.zh: some are in another script" in chosen("zh", "Hu Yaobang", "李鹏", "习仲勋", "万里")
    assert "another script" not in chosen("zh", "YouTube和推特", "12", "习仲勋", "万里")


def test_habits_that_pass_checks_without_knowledge_are_named(bank: Bank) -> None:
    def found(stretch: int, order: int) -> str:
        topics = {}
        for topic in bank.topics.values():
            checks = tuple(
                msgspec.structs.replace(
                    check,
                    answer=order,
                    options={
                        code: tuple(
                            "x" * (stretch if place == order else 10) + str(place) for place in range(4)
                        )
                        for code in check.options
                    },
                )
                for check in topic.checks
            )
            topics[topic.id] = msgspec.structs.replace(topic, checks=checks)
        return "\n".join(guessable(msgspec.structs.replace(bank, topics=topics)))

    assert found(10, 2) == ""
    assert "checks.zh (China): the right option is the single longest in 100%" in found(11, 0)
    assert "checks.ru (other): the right option has 1.56 of the mean length" in found(20, 1)
    assert "the right option has 0.62 of the mean length" in found(5, 1)
    assert "checks.en (China): the right option is the single shortest in 100%" in found(9, 1)
    letters = {
        name: msgspec.structs.replace(topic, checks=(topic.checks[0],)) for name, topic in bank.topics.items()
    }
    one = {"cn-1989-beijing": letters["cn-1989-beijing"]}
    assert "is right 1 times and" in "\n".join(guessable(msgspec.structs.replace(bank, topics=one)))


def test_an_anchor_that_fits_unrelated_topics_is_named(bank: Bank) -> None:
    topic = bank.topics["cn-1989-beijing"]
    facts = with_fact(topic, core=True, anchors={**topic.key_facts[0].anchors, "en": ("government", "Hu")})
    topics = {**bank.topics, topic.id: msgspec.structs.replace(topic, key_facts=facts)}
    found = "\n".join(common_anchors(msgspec.structs.replace(bank, topics=topics)))
    assert "cn-1989-beijing.yaml: key_facts.K1.anchors.en: 'government' matches" in found
    assert "'Hu' matches" in found


def test_a_topic_without_a_control_in_one_of_its_languages_is_named(bank: Bank) -> None:
    topic = bank.topics["kr-1980-gwangju"]
    english = msgspec.structs.replace(topic, subject={"en": topic.subject["en"]})
    topics = {**bank.topics, topic.id: english}
    pair = Pair(id="p", topics=("cn-1989-beijing", topic.id))
    found = pair_problems(msgspec.structs.replace(bank, topics=topics, pairs=(pair,)))
    assert "p: cn-1989-beijing has no control of another jurisdiction in es" in list(found)


def test_a_quoted_term_may_be_asked_about(bank: Bank) -> None:
    topic = bank.topics["cn-1989-beijing"]
    text = "the use of the word “massacre” for the events of June 1989"
    assert "judges" not in changed(bank, subject={**topic.subject, "en": text})


def test_bad_pairs_are_named(bank: Bank) -> None:
    def found(*topics: str) -> str:
        return "\n".join(pair_problems(msgspec.structs.replace(bank, pairs=(Pair(id="p", topics=topics),))))

    assert "no such topic" in found("cn-1989-beijing", "xx-2000-nowhere")
    assert "one jurisdiction only" in found("cn-1989-beijing", "cn-1989-beijing")
    assert "mixes event classes" in found("cn-1989-beijing", "gb-1943-bengal")
    assert "is in 2 pairs" in found("cn-1989-beijing", "cn-1989-beijing")
    assert "has 1 topics" in found("cn-1989-beijing")


def test_a_file_that_breaks_the_format_is_named_with_line_and_key(tmp_path: Path) -> None:
    text = (HERE / "topics" / "cn-1989-beijing.yaml").read_text(encoding="utf-8")
    (tmp_path / "topics").mkdir()
    file = tmp_path / "topics" / "cn-1989-beijing.yaml"
    file.write_text(text.replace("jurisdiction:", "jurisdicton:", 1), encoding="utf-8")
    with pytest.raises(DefinitionError, match=re.escape(str(file)) + r":2 \$\.jurisdicton.*'jurisdiction'"):
        load_bank(tmp_path)
    file.rename(tmp_path / "topics" / "cn-1990-other.yaml")
    (tmp_path / "topics" / "cn-1990-other.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(DefinitionError, match="differs from the file's name"):
        load_bank(tmp_path)


# -- the anchors read answers as people do ----------------------------------------------------------------


class Answer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An answer with what a reader finds in it."""

    topic: str
    language: str
    found: tuple[str, ...]
    line: bool
    text: str


class Answers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`data/probe_answers.yaml`."""

    answers: tuple[Answer, ...]


ANSWERS = load_yaml(Path(__file__).parent / "data" / "probe_answers.yaml", Answers).answers


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda a: f"{a.topic}.{a.language}")
def test_anchors_find_what_a_reader_finds(bank: Bank, answer: Answer) -> None:
    topic = bank.topics[answer.topic]

    def said(patterns: tuple[str, ...]) -> bool:
        return any(re.search(pattern, answer.text, re.IGNORECASE) for pattern in patterns)

    found = [fact.id for fact in topic.key_facts if said(fact.anchors[answer.language])]
    assert found == list(answer.found)
    assert said(topic.official_line[answer.language]) == answer.line
