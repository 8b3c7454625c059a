"""Holds a plan against the user's policy: where data would go, and who could be asked instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.catalog.policies import load_policy
from evalkit.catalog.providers import load_providers
from evalkit.errors import PolicyError
from evalkit.policy.check import check
from evalkit.types.provider import Endpoint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalkit.types.policy import Policy
    from evalkit.types.run import PolicyRecord
    from evalkit.types.suite import LoadedSuite


def checked_policy(
    file: str | None,
    suites: Sequence[LoadedSuite],
    endpoints: Sequence[Endpoint],
    others: Mapping[str, Mapping[str, str]],
    known: Mapping[str, Endpoint],
) -> tuple[str, tuple[PolicyRecord, ...]]:
    """Where the policy was found, and what it says of each suite at each endpoint.

    Args:
        file: The policy's path, or None for the usual one.
        suites: What would be sent.
        endpoints: The subjects.
        others: Judges and simulated users of each suite, by its id: names of endpoints, with their role.
        known: Those endpoints by name.

    Raises:
        PolicyError: data would go where the policy forbids.
    """
    path, policy = load_policy(file)
    records = tuple(
        check(policy, loaded.suite, endpoint, role)
        for loaded in suites
        for endpoint, role in (
            *((endpoint, "subject") for endpoint in endpoints),
            *((known[name], role) for name, role in others.get(loaded.suite.id, {}).items()),
        )
    )
    refused = [record for record in records if not record.allowed]
    if refused:
        first = refused[0]
        everyone = (*endpoints, *known.values())
        weights = {e.id: e.weights.repo for e in everyone if e.weights is not None}.get(first.endpoint)
        raise PolicyError(
            f"Policy {path}: suite {first.suite!r} is {first.sensitivity}, and its data may not go to "
            f"{first.role} {first.endpoint}: {first.rule}. "
            f"{_alternatives(_allowed_instead(policy, suites, first.suite, weights))}"
        )
    return path, records


def _allowed_instead(
    policy: Policy, suites: Sequence[LoadedSuite], suite: str, weights: str | None
) -> list[str]:
    """Declared endpoints of the same weights that the policy does allow."""
    if weights is None:
        return []
    loaded = next(s for s in suites if s.suite.id == suite)
    candidates = [
        Endpoint(id=f"{p.id}:{d.model}", provider=p, declaration=d, base_url=p.base_url, quirks=p.quirks)
        for p in (declared.provider for declared in load_providers().values())
        for d in p.endpoints
        if d.weights is not None and d.weights.repo.lower() == weights.lower()
    ]
    return [e.id for e in candidates if check(policy, loaded.suite, e).allowed]


def _alternatives(endpoints: Sequence[str]) -> str:
    if not endpoints:
        return "No declared endpoint of the same weights satisfies it; serve the weights yourself."
    return f"These endpoints of the same weights satisfy it: {', '.join(endpoints)}."
