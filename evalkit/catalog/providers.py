"""Finds and loads provider declarations, and resolves names to endpoints.

Declarations ship in `providers/`; a file of the same name in the user's configuration folder
(`$XDG_CONFIG_HOME/evalkit/providers`, default `~/.config/evalkit/providers`) or in `./providers` takes its
place. Adding a provider is adding a file.
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from evalkit.catalog.strict import load_yaml
from evalkit.errors import DefinitionError, UnknownNameError, UsageError
from evalkit.shipped import shipped
from evalkit.types.provider import Endpoint, EndpointDeclaration, Price, Provider

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_VARIABLE = re.compile(r"\$\{(?P<name>[A-Z][A-Z0-9_]*)(?::-(?P<default>[^}]*))?\}")
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """A provider and the file that declares it."""

    provider: Provider
    file: str


def user_folder() -> Path:
    """Where a user keeps providers and policies of their own."""
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "evalkit"


def provider_files() -> dict[str, Path]:
    """Every declaration file by provider id; later places win."""
    found: dict[str, Path] = {}
    for place in (shipped("providers"), user_folder() / "providers", Path("providers")):
        for file in sorted(place.glob("*.yaml")):
            found[file.stem] = file
    return found


def load_provider(name: str) -> Declared:
    """Read one provider's declaration.

    Raises:
        UnknownNameError: nothing declares it.
        DefinitionError: the file breaks the schema or a rule.
    """
    files = provider_files()
    if name not in files:
        raise UnknownNameError("provider", name, files, "`evalkit providers` lists them.")
    return _load(files[name])


def load_providers() -> dict[str, Declared]:
    """Every provider by id.

    Raises:
        DefinitionError: a file breaks the schema or a rule.
    """
    return {name: _load(file) for name, file in provider_files().items()}


@cache
def _load_cached(path: Path, _changed_ns: int) -> Declared:
    provider = load_yaml(path, Provider)
    check_provider(provider, path)
    return Declared(provider=provider, file=str(path))


def _load(path: Path) -> Declared:
    try:
        changed = path.stat().st_mtime_ns
    except OSError as error:
        raise DefinitionError(f"{path}: cannot be read ({error.strerror}).") from None
    return _load_cached(path, changed)


def check_provider(provider: Provider, file: Path) -> None:
    """Rules that the schema cannot say.

    Raises:
        DefinitionError: the id differs from the file's name, a model is declared twice, a price is not
            positive, or a plain http:// URL leaves this machine.
    """
    if provider.id != file.stem:
        raise DefinitionError(
            f"{file}:1 $.id: {provider.id!r} differs from the file's name; make them equal."
        )
    seen: set[str] = set()
    for index, endpoint in enumerate(provider.endpoints):
        where = f"{file}:1 $.endpoints[{index}]"
        if endpoint.model in seen:
            raise DefinitionError(f"{where}.model: {endpoint.model!r} is declared twice; keep one.")
        seen.add(endpoint.model)
        for price in endpoint.prices:
            check_price(price, where)
    for pattern in provider.filters:
        for text in (pattern.code, pattern.message, pattern.finish):
            _check_regex(text, file)
    _check_url(provider.base_url, provider, file)


def check_price(price: Price, where: str) -> None:
    """A price that is not above 0 is a mistake; unknown is written by leaving it out.

    Raises:
        DefinitionError: input or output is 0 or below.
    """
    for name in ("input", "output"):
        if getattr(price, name) <= 0:
            raise DefinitionError(
                f"{where}.prices: {name} is {getattr(price, name)}; a price is above 0 "
                "(leave it out if it is not known)."
            )


def _check_regex(text: str | None, file: Path) -> None:
    try:
        re.compile(text or "")
    except re.error as error:
        raise DefinitionError(
            f"{file}:1 $.filters: {text!r} is not a regular expression ({error})."
        ) from None


def _check_url(url: str, provider: Provider, where: Path | str) -> None:
    parts = urlsplit(_VARIABLE.sub(lambda m: m["default"] or "x", url))
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise DefinitionError(f"{where}:1 $.base_url: {url!r} is not an http(s) URL.")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK and not provider.allow_http:
        raise DefinitionError(
            f"{where}:1 $.base_url: {url!r} would send prompts and the key unencrypted; "
            "use https, or set `allow_http: true` if that is meant."
        )


def fill_url(url: str, provider: Provider, environment: Mapping[str, str] = os.environ) -> str:
    """`base_url` with its variables filled in.

    Raises:
        UsageError: a variable without default is not set.
    """

    def value(match: re.Match[str]) -> str:
        found = environment.get(match["name"]) or match["default"]
        if not found:
            raise UsageError(f"Provider {provider.id!r} needs ${match['name']} for its URL {url}; set it.")
        return found

    filled = _VARIABLE.sub(value, url).rstrip("/")
    _check_url(filled, provider, f"provider {provider.id}")
    return filled


def resolve(provider: Provider, declaration: EndpointDeclaration) -> Endpoint:
    """An endpoint that can be asked.

    Raises:
        UsageError: its URL needs a variable that is not set.
    """
    return Endpoint(
        id=f"{provider.id}:{declaration.model}",
        provider=provider,
        declaration=declaration,
        base_url=fill_url(declaration.base_url or provider.base_url, provider),
        quirks=declaration.quirks or provider.quirks,
    )


def endpoint_named(name: str) -> Endpoint:
    """The endpoint `provider:model`. A model that is not declared is allowed on a known provider: a bare one.

    Raises:
        UsageError: the name has no colon, the provider is unknown, or the model is unknown where the
            provider declares its list as complete.
    """
    provider_id, colon, model = name.partition(":")
    if not colon or not model:
        raise UsageError(
            f"{name!r} is not an endpoint; expected provider:model, for example deepinfra:org/name."
        )
    provider = load_provider(provider_id).provider
    for declaration in provider.endpoints:
        if declaration.model == model:
            return resolve(provider, declaration)
    if provider.kind == "embedded":
        raise UnknownNameError("model", model, [d.model for d in provider.endpoints], f"on {provider_id}")
    return resolve(provider, EndpointDeclaration(model=model))


def endpoints_of_weights(repo: str, providers: Sequence[str] | None = None) -> list[Endpoint]:
    """Every declared endpoint of these weights, on all or the named providers.

    Raises:
        UnknownNameError: no declaration names these weights.
        UsageError: none of the named providers offers them.
    """
    wanted = set(providers) if providers is not None else None
    everything = (
        load_providers() if wanted is None else {name: load_provider(name) for name in sorted(wanted)}
    )
    found = [
        (declared.provider, declaration)
        for declared in everything.values()
        for declaration in declared.provider.endpoints
        if declaration.weights is not None and declaration.weights.repo.lower() == repo.lower()
    ]
    if found:
        return _all_resolved(repo, found)
    known = weights_declared(declared.provider for declared in load_providers().values())
    if repo.lower() in {name.lower() for name in known}:
        raise UsageError(
            f"None of {', '.join(sorted(wanted or ()))} declares an endpoint of {repo}; "
            "`evalkit providers` lists who does."
        )
    raise UnknownNameError("weights", repo, known, "`evalkit providers --weights` lists them.")


def _all_resolved(repo: str, found: Sequence[tuple[Provider, EndpointDeclaration]]) -> list[Endpoint]:
    """Endpoints of all declarations, or what keeps some from being asked and who can be."""
    resolved: list[Endpoint] = []
    problems: dict[str, str] = {}
    for provider, declaration in found:
        try:
            resolved.append(resolve(provider, declaration))
        except UsageError as error:
            problems[provider.id] = str(error)
    if not problems:
        return resolved
    others = ",".join(dict.fromkeys(endpoint.provider.id for endpoint in resolved))
    mend = f" Or leave it out: --providers {others}" if others else ""
    raise UsageError(f"{repo}: {' '.join(problems.values())}{mend}")


def weights_declared(providers: Iterable[Provider]) -> list[str]:
    """Repository ids of all declared weights, sorted."""
    return sorted({d.weights.repo for p in providers for d in p.endpoints if d.weights is not None})
