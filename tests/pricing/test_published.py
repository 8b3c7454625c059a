"""The rows taken from `genai-prices` give what its own calculator gives, but for its known faults."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from genai_prices import Usage as TheirUsage
from genai_prices.data_snapshot import get_snapshot

from evalkit.pricing.cost import cost_of
from evalkit.pricing.published import published_record, rows_of
from evalkit.pricing.resolve import price_record
from evalkit.types.generation import Response, Usage
from evalkit.types.prices import UserPrice
from evalkit.types.provider import Endpoint, EndpointDeclaration, Operator, Price, Provider, Quirks, Source
from evalkit.types.run import PriceRecord

SOURCE = Source(url="test", read="2026-11-23")
MONDAY_PEAK = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
MONDAY_EVENING = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
SATURDAY_PEAK = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
EARLIER = datetime(2025, 6, 2, 18, 0, tzinfo=UTC)


def endpoint(base_url: str, model: str, kind: str = "host", **declared: object) -> Endpoint:
    provider = Provider(
        id="some",
        name="Some",
        kind=kind,  # type: ignore[arg-type]
        adapter="openai_chat",
        base_url=base_url,
        key_env=None,
        operator=Operator(name="Some"),
    )
    declaration = EndpointDeclaration(model=model, **declared)  # type: ignore[arg-type]
    return Endpoint(
        id=f"some:{model}", provider=provider, declaration=declaration, base_url=base_url, quirks=Quirks()
    )


def usd(record: PriceRecord | None, usage: Usage, at: datetime) -> float | None:
    cost = cost_of(Response(usage=usage), record, at.timestamp())
    return None if cost is None else cost.usd


@pytest.mark.parametrize("at", [MONDAY_PEAK, MONDAY_EVENING, EARLIER], ids=str)
@pytest.mark.parametrize("tokens", [1_000, 150_000, 300_000])
def test_every_listed_model_costs_what_the_package_says(at: datetime, tokens: int) -> None:
    compared = 0
    for host in get_snapshot().providers:
        for model in host.models:
            rows = tuple(rows_of(model.prices, host.id, SOURCE))
            if not rows:
                continue
            cached = 200 if all(row.cached_input is not None for row in rows) else 0
            ours = usd(
                PriceRecord(endpoint="x", source="test", price=None, rows=rows),
                Usage(input=tokens, output=500, cached_input=cached),
                at,
            )
            theirs = model.calc_price(
                TheirUsage(input_tokens=tokens, output_tokens=500, cache_read_tokens=cached),
                host,
                genai_request_timestamp=at,
            )
            extra = model.get_prices(at).__dict__.get("requests_kcount")
            if ours is None or extra is not None:  # a price for each request is not one for tokens
                continue
            assert ours == pytest.approx(float(theirs.total_price), rel=1e-9), (host.id, model.id)
            compared += 1
    assert compared > 1_500


def test_the_peak_does_not_hold_at_the_weekend() -> None:
    record = published_record(endpoint("https://api.deepseek.com/v1", "deepseek-v4-pro", "lab"))
    million = Usage(input=1_000_000, output=1_000_000)
    assert usd(record, million, MONDAY_PEAK) == pytest.approx(5.28)
    assert usd(record, million, MONDAY_EVENING) == pytest.approx(2.64)
    assert usd(record, million, SATURDAY_PEAK) == pytest.approx(2.64)
    assert record is not None
    assert "Monday to Friday" in (record.note or "")


def test_an_unknown_model_or_a_router_is_not_priced_by_guess() -> None:
    assert published_record(endpoint("https://api.deepseek.com/v1", "no-such-model")) is None
    assert published_record(endpoint("https://api.nowhere.example/v1", "deepseek-v4-pro")) is None
    assert published_record(endpoint("https://openrouter.ai/api/v1", "openai/gpt-5", "router")) is None


def test_sources_have_an_order() -> None:
    own = Price(input=9, output=9)
    declared = Price(input=1, output=1)
    listed = endpoint("https://api.deepseek.com/v1", "deepseek-v4-pro", "lab")
    bare = endpoint("https://api.nowhere.example/v1", "m")
    both = endpoint("https://api.deepseek.com/v1", "deepseek-v4-pro", "lab", prices=(declared,))

    def source(at: Endpoint, *entries: UserPrice) -> str:
        return price_record(at, entries).source.split()[0]

    mine = UserPrice(endpoint="some:deepseek-v4-pro", rows=(own,))
    assert source(both, mine) == "declared"
    assert source(listed, mine) == "genai-prices"
    assert source(bare, UserPrice(endpoint="some:m", rows=(own,))) == "price"
    assert source(both, UserPrice(endpoint="some:deepseek-v4-pro", rows=(own,), override=True)) == "price"
    assert source(bare) == "unpriced"
    assert price_record(bare).rows == ()
