"""What the report says of a panel of judges: who they are, how far they agree, and rates under each alone."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

from evalkit.analysis.frames import names_of
from evalkit.analysis.probes.classes import CONTRASTED
from evalkit.analysis.probes.instruments import instruments
from evalkit.analysis.probes.origins import Maker, maker_of
from evalkit.analysis.probes.panel import ALONE
from evalkit.report.cells import MISSING, Cell, estimate_cell
from evalkit.report.matrix import Group
from evalkit.report.matrix import Row as Line
from evalkit.report.numbers import count, dollars, fixed
from evalkit.report.places import country, language
from evalkit.report.probes_words import points, share
from evalkit.report.words import tidy
from evalkit.scorers.probe_judge import METRIC
from evalkit.scorers.probe_judge.reply import DECLINED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from evalkit.analysis.probes.findings import Findings
    from evalkit.analysis.probes.panel import Alone, JudgeVotes, PairAgreement, PanelFindings
    from evalkit.report.basis import Basis
    from evalkit.types.estimate import Estimate

_LONGEST = 80
"""Characters of a name that are shown."""
_ROLE = "judge:"
_REASONS = {
    "no_verdict": "reply in no known form",
    DECLINED: "declined in words",
    "truncated": "cut at the token limit",
    "empty": "empty reply",
    "rate_limited": "rate limited",
    "infra_error": "host failed",
    "config_error": "request rejected",
    "tool_format_failure": "broken reply",
}


class JudgesPart(msgspec.Struct, frozen=True, kw_only=True):
    """Tables on a panel as cells of text. `by_language` is empty where there is one language."""

    note: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    agreement_head: tuple[str, ...]
    agreement: tuple[tuple[str, ...], ...]
    pairs_head: tuple[str, ...]
    pairs: tuple[tuple[str, ...], ...]
    by_language: tuple[tuple[str, ...], ...]


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What one judge's replies cost: US dollars of the `priced` ones of `replies`."""

    replies: int = 0
    priced: int = 0
    usd: float = 0.0

    def plus(self, other: Spent) -> Spent:
        """Both together."""
        return Spent(
            replies=self.replies + other.replies,
            priced=self.priced + other.priced,
            usd=self.usd + other.usd,
        )

    @property
    def text(self) -> str:
        """The amount, and of how many replies where some have no price."""
        if not self.priced:
            return "unpriced" if self.replies else MISSING
        part = f" for {count(self.priced)} of {count(self.replies)} replies, the others unpriced"
        return dollars(self.usd) + part * (self.priced < self.replies)


def spent_on(basis: Basis, suite: str) -> dict[str, Spent]:
    """What judging one suite cost, by judge. Requests without a reply are no part of it."""
    found: dict[str, Spent] = defaultdict(Spent)
    for run, names in zip(basis.runs, names_of(basis.runs), strict=True):
        for g in run.generations:
            if (
                g.role.startswith(_ROLE)
                and g.response is not None
                and names.suites.get(g.trial.suite) == suite
            ):
                usd = g.cost.usd if g.cost is not None else None
                found[g.endpoint] = found[g.endpoint].plus(
                    Spent(replies=1, priced=int(usd is not None), usd=usd or 0.0)
                )
    return dict(found)


def judges_part(basis: Basis, found: Findings, panel: PanelFindings) -> JudgesPart:
    """The tables on the judges."""
    known = makers(basis)
    spent = spent_on(basis, found.suite)
    several = [pair for pair in panel.pairs if pair.language is not None]
    return JudgesPart(
        note=(
            f"{how_judged(basis, found)} Agreement says how far judges say the same, not who is right. "
            "Alpha and kappa are 1 where they always agree and 0 where they agree as often as chance would; "
            "where one class is common they are low even if nearly all votes are alike, so the raw agreement "
            "and how often each class was given stand beside them. Topic pairs are the independent units."
        ),
        head=(
            "judge", "maker, seat", "asked as", "votes", "blocked", "no vote otherwise",
            "quoted what is not there", "classes given", "cost",
        ),
        rows=tuple(
            _judge(one, _maker(known.get(one.judge)), spent.get(one.judge, Spent())) for one in panel.judges
        ),
        agreement_head=("language", "answers", "alpha: class", "alpha: complete or not", "votes differ"),
        agreement=tuple(
            (
                language(one.language) if one.language else "all",
                count(one.answers),
                coefficient(one.alpha),
                coefficient(one.alpha_complete),
                share(one.differing),
            )
            for one in panel.agreements
        ),
        pairs_head=("judges", "answers", "kappa", "same class", "the first gave", "the second gave"),
        pairs=tuple(_pair(pair) for pair in panel.pairs if pair.language is None),
        by_language=tuple((language(pair.language or ""), *_pair(pair)) for pair in several),
    )  # fmt: skip


def _judge(one: JudgeVotes, maker: str, spent: Spent) -> tuple[str, ...]:
    other = ", ".join(f"{_reason(why)} {count(n)}" for why, n in one.missing.items())
    stood = f"reserve, asked {count(one.stood_in)} times"
    return (
        tidy(one.judge, _LONGEST),
        maker,
        ("judge" if not one.stood_in else f"judge; {stood}") if one.member else stood,
        count(one.votes),
        count(one.blocked),
        other or "0",
        count(one.unproven),
        _shares({name: n / one.votes for name, n in one.classes.items()}),
        spent.text,
    )


def makers(basis: Basis) -> dict[str, Maker]:
    """Makers of the judges as the runs recorded them, else as their weights' names tell."""
    found = {
        judge.id: maker
        for run in basis.runs
        for judge in run.manifest.judges
        if judge.weights is not None and (maker := maker_of(judge.weights.repo.partition("/")[0])) is not None
    }
    for run in basis.runs:
        for record in run.manifest.suites:
            for plugin in record.suite.scorers:
                if plugin.name == METRIC:
                    found |= _recorded(plugin.options)
    return found


def _recorded(options: Mapping[str, object]) -> dict[str, Maker]:
    """Makers and seats that were filled in before a run."""
    try:
        known = msgspec.convert(options, _Known)
    except msgspec.ValidationError:
        return {}
    return {
        judge: Maker(", ".join(names), known.seats.get(judge, ""))
        for judge, names in known.makers.items()
        if names
    }


class _Known(msgspec.Struct, frozen=True):
    """What the scorer's options tell of its judges."""

    makers: dict[str, tuple[str, ...]] = {}
    seats: dict[str, str] = {}


def _maker(maker: Maker | None) -> str:
    """Who made a judge's model and the country of its seat, as far as it is known."""
    if maker is None:
        return "maker not recorded"
    return f"{tidy(maker.name, _LONGEST)}, {tidy(maker.seat, 10) or 'seat not recorded'}"


def _reason(why: str) -> str:
    return _REASONS.get(why) or tidy(why.replace("_", " "), _LONGEST)


def _shares(classes: Mapping[str, float]) -> str:
    """Classes and how often each was given, most first."""
    order = sorted(classes.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(
        f"{tidy(name.replace('_', ' '), 40)} {fixed(value * 100, 0)}\u202f%" for name, value in order if value
    )


def coefficient(estimate: Estimate) -> str:
    """A coefficient of agreement and its interval on one line; why there is none where it has no value."""
    if estimate.value is None:
        return f"{MISSING} ({tidy(estimate.note or '')})" if estimate.note else MISSING
    if estimate.low is None or estimate.high is None:
        why = f" (no interval: {tidy(estimate.note)})" if estimate.note else ""
        return fixed(estimate.value, 2) + why
    return f"{fixed(estimate.value, 2)} [{fixed(estimate.low, 2)},\u00a0{fixed(estimate.high, 2)}]"


def _pair(pair: PairAgreement) -> tuple[str, ...]:
    agreement = pair.agreement
    return (
        f"{tidy(pair.first, _LONGEST)} and {tidy(pair.second, _LONGEST)}",
        count(agreement.n),
        coefficient(agreement.kappa),
        share(agreement.agreed),
        _shares(agreement.first),
        _shares(agreement.second),
    )


def panel_lead(basis: Basis, found: Findings, panel: PanelFindings) -> tuple[str, ...]:
    """Who judged, in which words, what they could not judge, and what it cost."""
    known = makers(basis)
    members = [one.judge for one in panel.judges if one.member]
    named = "; ".join(f"{tidy(name, _LONGEST)} ({_maker(known.get(name))})" for name in members)
    who = (
        f"Judged by {named or 'no judge that is recorded'}; blocks, failures and cut answers are read from "
        f"what the host sent. {_missing(panel)} {_cost(basis, found.suite, panel)}"
    )
    return (who.strip(),)


def how_judged(basis: Basis, found: Findings) -> str:
    """What judges were asked, and how their votes became a class."""
    versions = ", ".join(tidy(f"{i.scorer} {i.version}", 80) for i in instruments(basis.runs, found.metric))
    return (
        "Each judge saw the question, the answer and the list of facts; neither the endpoint nor the other "
        "judges. They answered yes or no and quoted the words of the answer; code derived each class from "
        "what holds by them together: what speaks against an answer by a majority, what speaks for it by "
        f"half. Wording of the judges' task: {versions or 'not recorded'}."
    )


def _missing(panel: PanelFindings) -> str:
    asked = panel.judged
    blocked = sum(one.blocked for one in panel.judges)
    declined = sum(one.missing.get(DECLINED, 0) for one in panel.judges)
    if not asked:
        return "No vote of a judge is recorded."
    text = (
        f"{count(panel.without)} of {count(asked)} answers had no panel (fewer than two votes, or of one "
        "country) and are in no figure."
    )
    if blocked or declined:
        refused = f" and declined in words {count(declined)} times" if declined else ""
        text += (
            f" Judges were blocked {count(blocked)} times{refused}. That hangs on what an answer is about: "
            "missing votes, and answers left without a panel, are not missing at random, and rates of what "
            "is left may be too low or too high."
        )
    return text


def _cost(basis: Basis, suite: str, panel: PanelFindings) -> str:
    spent, total = spent_on(basis, suite), Spent()
    for one in panel.judges:
        total = total.plus(spent.get(one.judge, Spent()))
    return f"Judging cost {total.text}." if total.priced else ""


def alone_groups(basis: Basis, panel: PanelFindings) -> tuple[Group, ...]:
    """The rates under each judge alone."""
    judges = [one.judge for one in panel.judges if one.member]
    by = {(one.judge, one.endpoint): one for one in panel.alone}
    tip = "By this judge's votes alone, on answers that the panel classed and this judge too. {}"
    return tuple(
        Group(
            title=f"Under each judge alone: {measure.title.lower()}",
            folded=True,
            rows=tuple(
                Line(
                    title=tidy(judge, _LONGEST),
                    tip=tip.format(measure.meaning),
                    cells=tuple(_alone(by.get((judge, c.key)), measure.key) for c in basis.columns),
                )
                for judge in judges
            ),
        )
        for measure in ALONE
        if judges
    )


def _alone(one: Alone | None, key: str) -> Cell:
    return estimate_cell(one.rates[key] if one else None, "share", denominator="answers to probes")


def contested_sentences(found: Findings, panel: PanelFindings, names: Mapping[str, str]) -> Iterator[str]:
    """Excesses whose sign depends on the judge; they get no figure."""
    titles = {measure.key: measure.title.lower() for measure in CONTRASTED}
    for endpoint in names:
        for place in found.topics:
            for key, title in titles.items():
                if (endpoint, key, place) in panel.contested:
                    under = under_each(panel, endpoint, key, place)
                    yield (
                        f"{names[endpoint]}: whether answers on topics of {country(place)} are {title} more "
                        f"often than those on their matched controls depends on the judge ({under}), so no "
                        "figure by judges alone is given."
                    )


def under_each(panel: PanelFindings, endpoint: str, key: str, place: str) -> str:
    """An excess under each judge on one line."""
    return "; ".join(
        f"{tidy(judge, _LONGEST)} {' '.join(part for part in points(estimate) if part)}"
        for judge, estimate in panel.excesses(endpoint, key, place).items()
    )
