"""Asks OpenRouter which hosts serve a model, and writes them down as endpoints that can be pinned."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import yaml

from evalkit.app.loop import run_loop
from evalkit.catalog.providers import load_provider, resolve
from evalkit.errors import InfrastructureError, UsageError
from evalkit.store.folder import replace_file
from evalkit.types.provider import EndpointDeclaration, Host, Operator, Price, Provider, Source, Weights
from evalkit.types.wire import Call, Timeouts
from evalkit.wire.aiohttp_transport import AiohttpTransport

if TYPE_CHECKING:
    from collections.abc import Iterator

_TIMES = Timeouts(connect=15, first=60, idle=30, total=120)
_MILLION = 1e6


class Discovered(msgspec.Struct, frozen=True, kw_only=True):
    """What was written, and what changed by it."""

    file: Path
    endpoints: int
    changes: tuple[str, ...]


def discover(router: str, model: str) -> Discovered:
    """Write the endpoints that serve a model to `./providers/<router>.yaml`; other models in it stay.

    Raises:
        UsageError: the provider is no router that can be asked, or it does not know the model.
        InfrastructureError: it cannot be reached, or answers something else than it documents.
    """
    provider = load_provider(router).provider
    if provider.adapter != "openrouter":
        raise UsageError(f"{router!r} lists no endpoints of models; `discover` knows OpenRouter's listing.")
    listing = run_loop(_ask(provider, model))
    today = datetime.now(UTC).date().isoformat()
    url = f"{provider.base_url}/models/{model}/endpoints"
    hosts = _hosts(listing.hosts, Source(url=f"{provider.base_url}/providers", read=today))
    found = tuple(
        _declared(model, entry, listing.weights, hosts, Source(url=url, read=today))
        for entry in listing.endpoints
    )
    before = {e.model: e for e in provider.endpoints if e.model.partition("@")[0] == model}
    others = tuple(e for e in provider.endpoints if e.model not in before)
    file = Path("providers") / f"{provider.id}.yaml"
    _write(file, msgspec.structs.replace(provider, endpoints=(*others, *found)))
    return Discovered(file=file, endpoints=len(found), changes=tuple(_changes(before, found)))


class _Listing(msgspec.Struct, frozen=True, kw_only=True):
    """What the router said, as it said it."""

    endpoints: list[dict[str, Any]]
    weights: Weights | None
    hosts: Any


async def _ask(provider: Provider, model: str) -> _Listing:
    transport = AiohttpTransport()
    try:
        answer = await _get(transport, provider, f"/models/{model}/endpoints")
        models = await _get(transport, provider, "/models")
        hosts = await _get(transport, provider, "/providers")
    finally:
        await transport.close()
    data = answer.get("data")
    entries = data.get("endpoints") if isinstance(data, dict) else None
    if not isinstance(entries, list):
        raise InfrastructureError(f"{provider.base_url}: the listing of {model} is not what it documents.")
    listed = [entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("tag"), str)]
    if not listed:
        raise UsageError(f"{provider.id} lists no endpoint of {model!r} that can be pinned.")
    known = models.get("data")
    hub = next(
        (m.get("hugging_face_id") for m in known if isinstance(m, dict) and m.get("id") == model)
        if isinstance(known, list)
        else iter(()),
        None,
    )
    weights = Weights(repo=hub) if isinstance(hub, str) and hub else None
    return _Listing(endpoints=listed, weights=weights, hosts=hosts.get("data"))


async def _get(transport: AiohttpTransport, provider: Provider, path: str) -> dict[str, Any]:
    endpoint = resolve(provider, EndpointDeclaration(model="listing"))
    reply = await transport.send(Call(path=path, body=b"", stream=False, method="GET"), endpoint, _TIMES)
    if reply.status == 404:
        raise UsageError(f"{provider.id} does not know {path.removeprefix('/models/').rpartition('/')[0]!r}.")
    if reply.status != 200 or reply.error is not None:
        said = reply.error.message if reply.error else f"HTTP {reply.status}"
        raise InfrastructureError(f"{endpoint.base_url}{path} cannot be read ({said}); try again later.")
    try:
        answer: dict[str, Any] = msgspec.json.decode(reply.body, type=dict[str, Any])
    except msgspec.DecodeError:
        raise InfrastructureError(f"{endpoint.base_url}{path} answered no JSON; try again later.") from None
    return answer


def _hosts(listed: Any, source: Source) -> dict[str, Host]:
    """What the router publishes of each host, by name. It says nothing of parents, nor of many countries.

    Its `headquarters` are the contracting entity's, which tells nothing of who controls that entity.
    """
    found: dict[str, Host] = {}
    for entry in listed if isinstance(listed, list) else ():
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            continue
        country, places = entry.get("headquarters"), entry.get("datacenters")
        named = tuple(p for p in places if isinstance(p, str)) if isinstance(places, list) else ()
        found[entry["name"]] = Host(
            operator=Operator(
                name=entry["name"], country=country if isinstance(country, str) else None, source=source
            ),
            processing_countries=named or None,
            processing_source=source if named else None,
        )
    return found


def _declared(
    model: str, entry: dict[str, Any], weights: Weights | None, hosts: dict[str, Host], source: Source
) -> EndpointDeclaration:
    claimed = entry.get("quantization")
    name = entry.get("provider_name")
    return EndpointDeclaration(
        model=f"{model}@{entry['tag']}",
        weights=weights,
        quantization=claimed if isinstance(claimed, str) and claimed != "unknown" else None,
        context=_whole(entry.get("context_length")),
        max_output=_whole(entry.get("max_completion_tokens")),
        prices=tuple(_prices(entry.get("pricing"), source)),
        upstream=name if isinstance(name, str) else None,
        host=hosts.get(name) if isinstance(name, str) else None,
    )


def _prices(pricing: Any, source: Source) -> Iterator[Price]:
    """The base row and one for each override; a model without a price above 0 has none."""
    if not isinstance(pricing, dict):
        return
    base = _row(pricing, pricing, source)
    if base is None:
        return
    yield base
    overrides = pricing.get("overrides")
    for override in overrides if isinstance(overrides, list) else ():
        if isinstance(override, dict) and (row := _row(override, pricing, source)) is not None:
            start, end = _hour(override.get("utc_start")), _hour(override.get("utc_end"))
            yield msgspec.structs.replace(
                row,
                min_input_tokens=_whole(override.get("min_prompt_tokens")),
                hours_utc=((start, end),) if start is not None and end is not None else (),
            )


def _row(given: dict[str, Any], fallback: dict[str, Any], source: Source) -> Price | None:
    def dollars(name: str) -> float | None:
        return _per_million(given.get(name, fallback.get(name))) or None

    prompt, completion = dollars("prompt"), dollars("completion")
    if prompt is None or completion is None:
        return None
    return Price(
        input=prompt,
        output=completion,
        cached_input=dollars("input_cache_read"),
        cache_write=dollars("input_cache_write"),
        reasoning=dollars("internal_reasoning"),
        source=source,
    )


def _per_million(text: Any) -> float | None:
    """US dollars a token, written as a string, to US dollars a million tokens."""
    try:
        return round(float(text) * _MILLION, 6) if isinstance(text, str | int | float) else None
    except ValueError:
        return None


def _hour(hhmm: Any) -> float | None:
    return hhmm // 100 + hhmm % 100 / 60 if isinstance(hhmm, int) else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


def _write(file: Path, provider: Provider) -> None:
    text = yaml.safe_dump(msgspec.to_builtins(provider), sort_keys=False, allow_unicode=True, width=110)
    replace_file(file, f"# Its endpoints were read from the router's own listing.\n{text}".encode())


def _changes(before: dict[str, EndpointDeclaration], found: tuple[EndpointDeclaration, ...]) -> Iterator[str]:
    for endpoint in found:
        old = before.pop(endpoint.model, None)
        if old is None:
            yield f"+ {endpoint.model}"
        elif _facts(old) != _facts(endpoint):
            yield f"~ {endpoint.model}"
    yield from (f"- {model}" for model in before)


def _facts(endpoint: EndpointDeclaration) -> object:
    """What matters of an endpoint; the day on which it was read does not."""
    rows = tuple(msgspec.structs.replace(row, source=None) for row in endpoint.prices)
    host = endpoint.host
    if host is not None:
        operator = msgspec.structs.replace(host.operator, source=None)
        host = msgspec.structs.replace(host, operator=operator, processing_source=None)
    return msgspec.structs.replace(endpoint, prices=rows, host=host)
