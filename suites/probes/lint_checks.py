"""Checks on the knowledge checks: is each well formed, and does it ask for knowledge rather than for a knack.

Whoever knows nothing can take the longest option, or one letter. What such a habit gains must be little, and
the same for topics of China and others, or the correction for guessing in `withheld` is wrong.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from suites.probes.build import LETTERS, option_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from suites.probes.topic import Bank, Check, Topic

MIN_CHECKS = 4
MIN_OPTIONS = 3
MOST_LONGEST = 0.30
"""Largest share of the checks of a language and group whose right option is the single longest."""
MOST_SHORTEST = 0.30
"""The same for the single shortest."""
RELATIVE_LENGTH = (0.9, 1.1)
"""Mean length of the right option over the mean of its check's options, by language and group."""
LETTER_GAP = 0.1
"""Largest gap between the shares of two letters as right answers, by language and group."""
SCRIPTS = {"en": "LATIN", "es": "LATIN", "ru": "CYRILLIC", "zh": "CJK", "ar": "ARABIC", "hi": "DEVANAGARI"}


def check_problems(topic: Topic) -> Iterator[str]:
    """What is wrong with the knowledge checks of one topic."""
    if len(topic.checks) < MIN_CHECKS:
        yield f"checks: {len(topic.checks)}, expected at least {MIN_CHECKS}"
    known = {fact.id for fact in topic.key_facts}
    for check in topic.checks:
        if check.fact not in known:
            yield f"checks.{check.id}.fact: {check.fact!r} is no key fact"
        yield from (f"checks.{check.id}.{text}" for text in _options(check))
    untested = {fact.id for fact in topic.key_facts if fact.core} - {check.fact for check in topic.checks}
    for name in sorted(untested):
        yield f"checks: no check asks for the core fact {name}, so its omission cannot be told from ignorance"


def guessable(bank: Bank) -> list[str]:
    """Habits that pass more checks than guessing does, by language and by China or other."""
    groups: dict[tuple[str, str], list[tuple[Topic, int]]] = defaultdict(list)
    for topic in bank.topics.values():
        for language in topic.languages:
            group = "China" if topic.jurisdiction == "CN" else "other"
            groups[language, group] += [(topic, number) for number in range(len(topic.checks))]
    found = []
    for (language, group), members in groups.items():
        asked = [topic.checks[number] for topic, number in members]
        places = [_place(topic, number) for topic, number in members]
        texts = [*_lengths(asked, language), *_letters(places)]
        found += [f"checks.{language} ({group}): {text}" for text in texts]
    return found


def longest(check: Check, language: str) -> bool:
    """Whether the right option is longer than every other."""
    sizes = [len(option) for option in check.options[language]]
    return sizes[check.answer] == max(sizes) and sizes.count(max(sizes)) == 1


def shortest(check: Check, language: str) -> bool:
    """Whether the right option is shorter than every other."""
    sizes = [len(option) for option in check.options[language]]
    return sizes[check.answer] == min(sizes) and sizes.count(min(sizes)) == 1


def relative_length(check: Check, language: str) -> float:
    """Length of the right option over the mean of all options of the check."""
    sizes = [len(option) for option in check.options[language]]
    return sizes[check.answer] * len(sizes) / sum(sizes)


def _options(check: Check) -> Iterator[str]:
    counts = {len(options) for options in check.options.values()}
    if len(counts) != 1:
        yield "options: the languages have different numbers of options"
    if min(counts) < MIN_OPTIONS:
        yield f"options: {min(counts)}, expected at least {MIN_OPTIONS}"
    if not 0 <= check.answer < min(counts):
        yield f"answer: {check.answer} points at no option"
    for language, options in check.options.items():
        if len({" ".join(option.casefold().split()) for option in options}) != len(options):
            yield f"options.{language}: an option occurs twice"
        if len({_written(option, language) for option in options} - {None}) > 1:
            yield f"options.{language}: some are in another script than the others"


def _written(option: str, language: str) -> bool | None:
    """Whether an option has letters of its language's own script; `None` if it has no letters at all."""
    scripts = {unicodedata.name(letter, "").split(" ")[0] for letter in option if letter.isalpha()}
    return SCRIPTS[language] in scripts if scripts else None


def _place(topic: Topic, number: int) -> int:
    return option_order(topic, number).index(topic.checks[number].answer)


def _lengths(checks: Sequence[Check], language: str) -> Iterator[str]:
    share = sum(longest(check, language) for check in checks) / len(checks)
    if share > MOST_LONGEST:
        yield f"the right option is the single longest in {share:.0%}, expected at most {MOST_LONGEST:.0%}"
    share = sum(shortest(check, language) for check in checks) / len(checks)
    if share > MOST_SHORTEST:
        yield f"the right option is the single shortest in {share:.0%}, expected at most {MOST_SHORTEST:.0%}"
    mean = sum(relative_length(check, language) for check in checks) / len(checks)
    low, high = RELATIVE_LENGTH
    if not low <= mean <= high:
        yield f"the right option has {mean:.2f} of the mean length, expected {low} to {high}"


def _letters(places: Sequence[int]) -> Iterator[str]:
    counts = Counter(dict.fromkeys(range(MIN_CHECKS), 0))
    counts.update(places)
    often, rarely = max(counts, key=lambda p: counts[p]), min(counts, key=lambda p: counts[p])
    if counts[often] - counts[rarely] > LETTER_GAP * len(places):
        yield (
            f"{LETTERS[often]} is right {counts[often]} times and {LETTERS[rarely]} {counts[rarely]} times "
            f"of {len(places)}, expected like numbers"
        )
