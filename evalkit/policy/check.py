"""Decides whether an endpoint may see data of a sensitivity, from its published facts.

Behind a router a second party reads the prompt, so every condition is asked of the router and of that host.

Unknown is not yes: a fact that is not published does not prove a condition.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evalkit.types.provider import Host, Operator
from evalkit.types.run import PolicyRecord

if TYPE_CHECKING:
    from evalkit.types.policy import Condition, Policy
    from evalkit.types.provider import Endpoint, Provider, Source
    from evalkit.types.suite import Suite


def check(policy: Policy, suite: Suite, endpoint: Endpoint, role: str = "subject") -> PolicyRecord:
    """The verdict for one suite at one endpoint, with the facts that decided.

    A sensitivity that the policy does not name is allowed nowhere but on servers of your own.
    """
    condition = policy.sensitivities.get(suite.sensitivity)
    if endpoint.provider.kind in {"self_hosted", "embedded"}:
        allowed, rule, facts = True, "runs on your own machine", {"kind": endpoint.provider.kind}
    elif condition is None:
        allowed, rule, facts = False, f"the policy names no rule for {suite.sensitivity} data", {}
    else:
        allowed, rule, facts = _judge(condition, endpoint)
    return PolicyRecord(
        suite=suite.id,
        endpoint=endpoint.id,
        sensitivity=suite.sensitivity,
        allowed=allowed,
        rule=rule,
        facts=facts,
        role=role,
    )


def _judge(condition: Condition, endpoint: Endpoint) -> tuple[bool, str, dict[str, Any]]:
    facts = _facts(endpoint.provider)
    if endpoint.declaration.host is not None:
        facts["host"] = _facts(endpoint.declaration.host)
    if condition.self_hosted:
        return False, "only servers of your own are allowed", facts
    failed = _pin(condition, endpoint)
    for whose, party in _parties(endpoint):
        failed = failed or _countries(condition, party, whose) or _terms(condition, party, whose)
    if failed:
        return False, failed, facts
    return True, "every condition is proven by published facts", facts


def _parties(endpoint: Endpoint) -> tuple[tuple[str, Provider | Host], ...]:
    """Who gets to read a prompt, the provider first; a host of which nothing is declared proves nothing."""
    own = ("", endpoint.provider)
    if endpoint.provider.kind != "router":
        return (own,)
    host = endpoint.declaration.host or Host(operator=Operator(name="not published"))
    return own, (" of the host behind the router", host)


def _countries(condition: Condition, provider: Provider | Host, whose: str) -> str | None:
    places: tuple[tuple[str, tuple[str, ...] | None, tuple[str, ...] | None], ...] = (
        ("operator", condition.operator_countries, _one(provider.operator.country)),
        ("parent", condition.parent_countries, _one(provider.operator.parent_country)),
        ("processing", condition.processing_countries, provider.processing_countries),
    )
    for name, allowed, actual in places:
        if allowed is None:
            continue
        if not actual:
            return f"{name} country{whose} is not published; allowed: {', '.join(allowed)}"
        outside = [country for country in actual if country not in allowed]
        if outside:
            return f"{name} country{whose} {', '.join(outside)} is not among {', '.join(allowed)}"
    return None


def _terms(condition: Condition, provider: Provider | Host, whose: str) -> str | None:
    terms = provider.terms
    if condition.no_training and terms.training not in {"never", "opt_in"}:
        return f"no training on prompts{whose} is not proven (published: {terms.training or 'nothing'})"
    retained_by_default = terms.zero_retention != "default" and terms.retention_days != 0
    if condition.zero_retention and retained_by_default:
        return f"zero retention{whose} is not proven (published: {terms.zero_retention or 'nothing'})"
    return None


def _pin(condition: Condition, endpoint: Endpoint) -> str | None:
    if condition.pinned and not endpoint.pinned:
        mark = endpoint.provider.pin
        how = f"write model{mark}host" if mark else "it declares no way to pin"
        return f"the router is not pinned to one endpoint ({how})"
    return None


def _one(country: str | None) -> tuple[str, ...] | None:
    return (country,) if country else None


def _read_on(source: Source | None) -> str | None:
    return source.read if source else None


def _facts(provider: Provider | Host) -> dict[str, Any]:
    return {
        "operator": provider.operator.name,
        "operator_country": provider.operator.country,
        "parent_country": provider.operator.parent_country,
        "operator_read": _read_on(provider.operator.source),
        "processing_countries": provider.processing_countries,
        "processing_read": _read_on(provider.processing_source),
        "training": provider.terms.training,
        "retention_days": provider.terms.retention_days,
        "zero_retention": provider.terms.zero_retention,
        "terms_read": _read_on(provider.terms.source),
    }
