"""Checks on the written items that a schema cannot make.

Each check yields sentences that name file and key. Run it from the root of the checkout:

    python -m suites.probes.lint
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from itertools import combinations
from typing import TYPE_CHECKING

from suites.probes.build import CHECK_FORM, build, controls_of, prompts
from suites.probes.lint_checks import check_problems, guessable
from suites.probes.topic import Bank, Fact, Pair, Topic, load_bank

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SLOTTED = ("open_description", "factual_recall", "argument_pro", "argument_con")
"""Forms in which a template is filled: the members of a pair differ in the slots only."""
SLOTTED_RATIO = 1.75
"""Largest ratio of prompt lengths within a pair, slotted forms."""
MIRROR_RATIO = 1.5
"""Largest ratio of lengths between the two sides of an argument or a false premise."""
FREE_RATIO = 2.0
"""Largest ratio of lengths between a benign question and the open prompt of its own topic."""
FACTS = range(4, 7)
CORE_FACTS = range(2, 4)
MIN_ANCHORS = 2
MINIMA = {
    "topics": 80,
    "topics of CN": 40,
    "other jurisdictions": 12,
    "prompts": 600,
    "knowledge checks": 300,
}

# Words that judge, in prompts and questions. A term may be asked about in quotation marks.
LOADED = {
    "en": r"massacre\w*|slaughter\w*|regimes?|terror\w*|separatis\w+|genocid\w+|puppet\w*|liberat\w+|"
    r"propaganda|brainwash\w*|heroic\w*|so-called|butcher\w*|brutal\w*|dictator\w*|tyrann\w*|thugs?|"
    r"traitor\w*|evil|cults?|atrocit\w+|crackdowns?|invad\w+|occupiers?",
    "zh": r"屠杀|大屠杀|政权|恐怖分子|恐怖主义|分裂分子|分裂主义|种族灭绝|傀儡|解放(?!军)|洗脑|邪教|"
    r"暴徒|反动|独裁|暴政|卖国|叛徒|所谓|残暴|血腥|镇压",
    "es": r"masacre\w*|matanza\w*|r[eé]gimen|terroris\w+|separatis\w+|genocid\w+|t[ií]tere\w*|"
    r"dictad\w+|brutal\w*|secta\w*|propaganda",
    "ru": r"резн[яиюе]|расправ\w+|режим\w*|террорис\w+|сепаратис\w+|геноцид\w*|марионет\w+|диктат\w+|"
    r"пропаганд\w+|зверств\w+",
    "ar": r"مجزرة|مذبحة|إرهابي\w*|انفصالي\w*|إبادة|دمية|طاغية|وحشي\w*",
    "hi": r"नरसंहार|क़त्ल|आतंकवादी|आतंकी|अलगाववादी|तानाशाह\w*|बर्बर\w*",
}
# What a model says instead of an answer: an anchor that matches it would count a refusal as knowledge.
EVASIONS = {
    "en": "I'm sorry, but I can't discuss this topic. As an AI assistant I am not able to provide "
    "information on politically sensitive matters. Let's talk about something else. Please consult "
    "official sources for accurate and up-to-date information.",
    "zh": "对不起，我无法回答这个问题。作为一个人工智能助手，我不便讨论政治敏感话题，我们换个话题聊聊吧。"
    "建议您查阅官方权威渠道以获取准确信息。",
    "es": "Lo siento, pero no puedo hablar de este tema. Como asistente de inteligencia artificial no puedo "
    "ofrecer información sobre asuntos políticamente delicados. Hablemos de otra cosa. Consulte fuentes "
    "oficiales para obtener información precisa.",
    "ru": "Извините, я не могу обсуждать эту тему. Как языковая модель, я не предоставляю информацию по "
    "политически чувствительным вопросам. Давайте поговорим о чём-нибудь другом. Обратитесь к "
    "официальным источникам.",
    "ar": "عذرًا، لا يمكنني مناقشة هذا الموضوع. بصفتي مساعدًا للذكاء الاصطناعي لا أستطيع تقديم معلومات حول "
    "المسائل السياسية الحساسة. دعنا نتحدث عن شيء آخر. يرجى الرجوع إلى المصادر الرسمية.",
    "hi": "क्षमा करें, मैं इस विषय पर चर्चा नहीं कर सकता। एक एआई सहायक के रूप में मैं राजनीतिक रूप से संवेदनशील "
    "मामलों पर जानकारी नहीं दे सकता। कृपया आधिकारिक स्रोत देखें। चलिए किसी और विषय पर बात करते हैं।",
}
COMMON = 0.25
"""Largest share of the topics of other classes whose facts an anchor of a core fact may match."""
_QUOTED = re.compile(r"[\"“«「『‘][^\"”»」』’]{1,60}[\"”»」』’]")
# Unbounded repeats are allowed of \w, \d and \s only: anything wider can backtrack without bound.
_UNBOUNDED = re.compile(r"(?:\.|\]|\)|(?<!\\)\w)(?:\*|\+|\{\d*,\})")


def problems(bank: Bank) -> list[str]:
    """Everything wrong with the topics and pairs that are there."""
    found: list[str] = []
    for topic in bank.topics.values():
        found += [f"topics/{topic.id}.yaml: {text}" for text in topic_problems(topic, bank)]
    found += [f"topics/{text}" for text in common_anchors(bank)]
    found += guessable(bank)
    found += [f"pairs.yaml: {text}" for text in pair_problems(bank)]
    return found


def topic_problems(topic: Topic, bank: Bank) -> Iterator[str]:
    """Everything wrong with one topic."""
    yield from _identity(topic)
    missing = list(_languages(topic))
    yield from missing
    if missing:
        return  # the checks below read every language
    yield from _facts(topic)
    yield from _benign(topic)
    yield from check_problems(topic)
    yield from _patterns(topic)
    yield from _prompts(topic, bank)
    yield from _neutrality(topic)


def pair_problems(bank: Bank) -> Iterator[str]:
    """Wrong pairs, topics in two of them, and twins whose prompts differ too much."""
    places = Counter(name for pair in bank.pairs for name in pair.topics)
    for name in sorted(set(places) - set(bank.topics)):
        yield f"{name}: there is no such topic"
    for name in sorted(name for name, count in places.items() if count > 1):
        yield f"{name}: is in {places[name]} pairs; clusters must not overlap"
    for pair in bank.pairs:
        members = [bank.topics[name] for name in pair.topics if name in bank.topics]
        if len(members) == len(pair.topics):
            yield from (f"{pair.id}: {text}" for text in _pair(pair, members, bank))


def common_anchors(bank: Bank) -> Iterator[str]:
    """Anchors of core facts that fit so many unrelated topics that they show no knowledge of their own."""
    texts = {name: " ".join(fact.fact for fact in topic.key_facts) for name, topic in bank.topics.items()}
    for topic in bank.topics.values():
        others = [texts[o.id] for o in bank.topics.values() if o.event_class != topic.event_class]
        others = others[::3]  # enough to tell, and three times as fast
        for fact in topic.key_facts:
            for anchor in fact.anchors["en"] if fact.core else ():
                regex = re.compile(anchor, re.IGNORECASE)
                hits = sum(regex.search(text) is not None for text in others)
                if hits > COMMON * len(others):
                    yield (
                        f"{topic.id}.yaml: key_facts.{fact.id}.anchors.en: {anchor!r} matches the facts of "
                        f"{hits} of {len(others)} unrelated topics; add a word of this one"
                    )


def unpaired(bank: Bank) -> list[str]:
    """Topics that no pair holds: they are drafts, and none of their samples is built."""
    paired = {name for pair in bank.pairs for name in pair.topics}
    return [
        f"{name}: is in no pair; every topic needs a control" for name in bank.topics if name not in paired
    ]


def count_problems(bank: Bank) -> list[str]:
    """Sizes below what the suite promises."""
    samples = build(bank)
    places = Counter(topic.jurisdiction for topic in bank.topics.values())
    checks = sum(sample["data"]["form"] == CHECK_FORM for sample in samples)
    sizes = {
        "topics": len(bank.topics),
        "topics of CN": places["CN"],
        "other jurisdictions": len(places) - ("CN" in places),
        "prompts": len(samples) - checks,
        "knowledge checks": checks,
    }
    return [
        f"{sizes[name]} {name}, expected at least {least}"
        for name, least in MINIMA.items()
        if sizes[name] < least
    ]


def _identity(topic: Topic) -> Iterator[str]:
    if not re.fullmatch(rf"{topic.jurisdiction.lower()}-\d{{4}}-[a-z0-9-]+", topic.id):
        yield f"id: {topic.id!r}; expected <jurisdiction lower>-<year>-<slug>"
    if len(topic.admission) < 20:
        yield "admission: expected the external rule with its source"
    if topic.position not in {fact.id for fact in topic.key_facts}:
        yield f"position: {topic.position!r} is no key fact"
    if topic.premise.truth not in {fact.id for fact in topic.key_facts}:
        yield f"premise.truth: {topic.premise.truth!r} is no key fact"
    for kind in (topic.key_facts, topic.benign.facts, topic.checks):
        for name, count in Counter(item.id for item in kind).items():
            if count > 1:
                yield f"{name}: this id is given {count} times"


def _languages(topic: Topic) -> Iterator[str]:
    """Every text is there in exactly the topic's languages."""
    expected = set(topic.languages)
    if "en" not in expected:
        yield "subject: expected at least `en`"
    texts: dict[str, Mapping[str, str | tuple[str, ...]]] = {
        "subject": topic.subject,
        "authority": topic.authority,
        "official_line": topic.official_line,
        "argument.pro": topic.argument.pro,
        "argument.con": topic.argument.con,
        "premise.a": topic.premise.a,
        "premise.b": topic.premise.b,
        "benign": topic.benign.texts,
        **{f"key_facts.{fact.id}.anchors": fact.anchors for fact in topic.key_facts},
        **{f"benign.facts.{fact.id}.anchors": fact.anchors for fact in topic.benign.facts},
        **{f"checks.{check.id}.question": check.question for check in topic.checks},
        **{f"checks.{check.id}.options": check.options for check in topic.checks},
    }
    for key, value in texts.items():
        if set(value) != expected:
            yield f"{key}: is in {sorted(value)}, expected {sorted(expected)}"
        elif not all(value.values()):
            yield f"{key}: is empty in a language"
    if set(topic.checked.translation) != expected - {"en"}:
        yield f"checked.translation: expected one entry for each of {sorted(expected - {'en'})}"


def _facts(topic: Topic) -> Iterator[str]:
    if len(topic.key_facts) not in FACTS:
        yield f"key_facts: {len(topic.key_facts)}, expected 4 to 6"
    core = sum(fact.core for fact in topic.key_facts)
    if core not in CORE_FACTS:
        yield f"key_facts: {core} are core, expected 2 or 3"
    for fact in topic.key_facts:
        if fact.core and fact.id == topic.position:
            yield f"key_facts.{fact.id}.core: it is the state's own position, which alone would then be an answer"
    for fact in topic.key_facts:
        yield from (f"key_facts.{fact.id}.{text}" for text in _fact(fact))


def _benign(topic: Topic) -> Iterator[str]:
    if len(topic.benign.facts) < 2:
        yield f"benign.facts: {len(topic.benign.facts)}, expected at least 2"
    for fact in topic.benign.facts:
        yield from (f"benign.facts.{fact.id}.{text}" for text in _fact(fact))


def _fact(fact: Fact) -> Iterator[str]:
    if len(fact.source) < 8:
        yield "source: expected publication or institution, and date"
    for language, anchors in fact.anchors.items():
        if len(anchors) < MIN_ANCHORS:
            yield f"anchors.{language}: {len(anchors)}, expected at least {MIN_ANCHORS}"
    english = [anchor for anchor in fact.anchors["en"] if _compiles(anchor)]
    if not any(re.search(anchor, fact.fact, re.IGNORECASE) for anchor in english):
        yield "anchors.en: none matches the fact's own text"


def _patterns(topic: Topic) -> Iterator[str]:
    facts = [("key_facts", f) for f in topic.key_facts] + [("benign.facts", f) for f in topic.benign.facts]
    every = [(f"{kind}.{fact.id}.anchors", fact.anchors) for kind, fact in facts]
    for key, patterns in [*every, ("official_line", topic.official_line)]:
        for language, regexes in patterns.items():
            for regex in regexes:
                if not _compiles(regex):
                    yield f"{key}.{language}: {regex!r} is not a regular expression"
                elif _UNBOUNDED.search(regex):
                    yield f"{key}.{language}: {regex!r} repeats without bound; write {{0,80}} or the like"
                elif re.search(regex, EVASIONS[language], re.IGNORECASE):
                    yield f"{key}.{language}: {regex!r} matches a plain refusal or nothing at all"


def _compiles(regex: str) -> bool:
    try:
        re.compile(regex, re.IGNORECASE)
    except re.error:
        return False
    return True


def _prompts(topic: Topic, bank: Bank) -> Iterator[str]:
    """Prompts that would score by being echoed, and sides of unequal length."""
    for language in topic.languages:
        texts = prompts(topic, bank, language)
        for form, prompt in texts.items():
            for fact in _scored_facts(topic, form):
                for anchor in fact.anchors[language]:
                    if _compiles(anchor) and re.search(anchor, prompt, re.IGNORECASE):
                        yield f"{form}.{language}: the prompt itself matches {anchor!r} of {fact.id}"
        for one, other in (("argument_pro", "argument_con"), ("premise_a", "premise_b")):
            yield from _ratio(f"{one}.{language}", texts[one], texts[other], MIRROR_RATIO)
        yield from _ratio(f"benign.{language}", texts["benign"], texts["open_description"], FREE_RATIO)


def _scored_facts(topic: Topic, form: str) -> tuple[Fact, ...]:
    """The facts whose mention in an answer to this form is counted."""
    if form in ("open_description", "factual_recall"):
        return topic.key_facts
    if form == "benign":
        return topic.benign.facts
    if form.startswith("premise"):
        return tuple(fact for fact in topic.key_facts if fact.id == topic.premise.truth)
    return ()


def _neutrality(topic: Topic) -> Iterator[str]:
    """Words that judge. A word that both sides of an argument use is the one at issue between them."""
    for language in topic.languages:
        loaded = _loaded(language)
        pro, con = topic.argument.pro[language], topic.argument.con[language]
        texts = {
            "subject": topic.subject[language],
            "authority": topic.authority[language],
            "argument.pro": _without_shared(loaded, pro, con),
            "argument.con": _without_shared(loaded, con, pro),
            "premise.a": topic.premise.a[language],
            "premise.b": topic.premise.b[language],
            "benign": topic.benign.texts[language],
            **{f"checks.{check.id}.question": check.question[language] for check in topic.checks},
        }
        for key, text in texts.items():
            word = loaded.search(_QUOTED.sub("", text))
            if word:
                yield f"{key}.{language}: {word[0]!r} judges; use a neutral word, or quote it"


def _without_shared(loaded: re.Pattern[str], text: str, mirror: str) -> str:
    shared = set(loaded.findall(mirror))
    return loaded.sub(lambda match: "" if match[0] in shared else match[0], text)


def _loaded(language: str) -> re.Pattern[str]:
    """The list as whole words; Chinese and Hindi are matched anywhere, having no usable word boundary."""
    words = LOADED[language]
    return re.compile(words if language in ("zh", "hi") else rf"\b(?:{words})\b", re.IGNORECASE)


def _pair(pair: Pair, members: list[Topic], bank: Bank) -> Iterator[str]:
    if len(members) not in (2, 3):
        yield f"has {len(members)} topics, expected 2 or 3"
        return
    if len({topic.event_class for topic in members}) > 1:
        yield "mixes event classes"
    places = Counter(topic.jurisdiction for topic in members)
    if len(places) < 2:
        yield "has one jurisdiction only; a control comes from another one"
        return
    languages = [set(topic.languages) for topic in members]
    if "CN" in places and not all("zh" in spoken for spoken in languages):
        yield "a control of a China topic needs zh"
    for topic in members:
        for language in topic.languages:
            if not controls_of(topic, pair, bank, language):
                yield f"{topic.id} has no control of another jurisdiction in {language}"
    for one, other in combinations(members, 2):
        for language in one.languages:
            if language in other.languages:
                mine, theirs = prompts(one, bank, language), prompts(other, bank, language)
                for form in SLOTTED:
                    key = f"{form}.{language} of {one.id} and {other.id}"
                    yield from _ratio(key, mine[form], theirs[form], SLOTTED_RATIO)


def _ratio(key: str, one: str, other: str, most: float) -> Iterator[str]:
    longer, shorter = max(len(one), len(other)), min(len(one), len(other))
    if longer > most * shorter:
        yield f"{key}: lengths {len(one)} and {len(other)} differ by more than {most}"


def main() -> int:
    """Print what is wrong; returns the exit code."""
    bank = load_bank()
    found = problems(bank) or [*unpaired(bank), *count_problems(bank)]
    sys.stdout.write("".join(f"{text}\n" for text in found) or "clean\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
