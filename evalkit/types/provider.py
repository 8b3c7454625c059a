"""Who serves: facts about providers and the endpoints they offer, as declared in `providers/*.yaml`.

A fact that is not published is `None`; the policy treats unknown as not proven.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

ProviderKind = Literal["lab", "host", "router", "self_hosted", "embedded"]


class _Fact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Base of declared records."""


class Source(_Fact, frozen=True, kw_only=True):
    """Where a fact was read and on which day (ISO date)."""

    url: str
    read: str


class Operator(_Fact, frozen=True, kw_only=True):
    """The contracting entity.

    Countries are ISO 3166-1 alpha-2 codes; `parent_country` is that of whoever controls the entity.
    """

    name: str
    country: str | None = None
    parent_country: str | None = None
    source: Source | None = None


class Terms(_Fact, frozen=True, kw_only=True):
    """What happens to prompts. `retention_days` 0 means zero retention by default."""

    training: Literal["never", "opt_out", "opt_in", "always"] | None = None
    retention_days: int | None = None
    zero_retention: Literal["default", "on_request", "unavailable"] | None = None
    source: Source | None = None


class Thinking(_Fact, frozen=True, kw_only=True):
    """How reasoning is switched. Each value is merged into the request body for that effort."""

    default: Literal["on", "off", "always"] | None = None
    efforts: dict[str, dict[str, Any]] = {}


class Quirks(_Fact, frozen=True, kw_only=True):
    """Where a host's dialect differs from plain OpenAI chat completions.

    `unsupported` parameters are refused before the first request, `forced` ones may only be sent with the
    given value, `extra_body` is merged into every body (recorded in the manifest). `return_reasoning` names
    the field in which earlier reasoning is handed back, or `<think>` where it belongs into the content.
    `prompt_logprobs` says that `/completions` answers `echo` and `logprobs` with those of the prompt.
    """

    token_limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    stream_usage: Literal["option", "always", "never"] = "option"
    stream_only: bool = False
    thinking: Thinking = Thinking()
    reasoning_field: str | None = None
    return_reasoning: str | None = None
    tool_call_ids: Literal["any", "nine_alphanumeric", "functions_dot_index"] = "any"
    tool_choice: tuple[str, ...] = ("auto", "none", "required", "named")
    system_role: str = "system"
    unsupported: tuple[str, ...] = ()
    forced: dict[str, float] = {}
    extra_body: dict[str, Any] = {}
    prompt_logprobs: bool = False


class FilterRule(_Fact, frozen=True, kw_only=True):
    """A signature of a content filter in front of or behind the model.

    All given fields must match: `status` exactly; `code`, `message` (regular expressions, case-insensitive)
    against the error's code or type, and its message; `finish` against the native finish reason; `field`
    a dotted path in the body with `equals`.
    """

    outcome: Literal[
        "router_block",
        "host_input_filter",
        "host_output_filter",
        "tool_format_failure",
        "rate_limited",
        "infra_error",
        "config_error",
    ]
    status: int | None = None
    code: str | None = None
    message: str | None = None
    finish: str | None = None
    field: str | None = None
    equals: Any = None
    note: str | None = None


class Limits(_Fact, frozen=True, kw_only=True):
    """What the provider lets one account do at once; `None` is learnt from headers and answers."""

    concurrency: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None

    def shared(self, parts: int) -> Limits:
        """What one of several processes may do, so that all of them together keep the account's limits."""
        if parts == 1:
            return self
        return Limits(
            **{
                name: None if limit is None else max(1, limit // parts)
                for name, limit in msgspec.structs.asdict(self).items()
            }
        )


class Price(_Fact, frozen=True, kw_only=True):
    """US dollars per million tokens, valid from one day to another, within given hours.

    `hours_utc` are half-open `[start, end)` pairs of hours; `weekdays` count Monday as 0. `min_input_tokens`
    is strictly exceeded for the row to apply.
    """

    input: float
    output: float
    cached_input: float | None = None
    cache_write: float | None = None
    reasoning: float | None = None
    valid_from: str | None = None
    valid_until: str | None = None
    hours_utc: tuple[tuple[float, float], ...] = ()
    weekdays: tuple[int, ...] = ()
    min_input_tokens: int | None = None
    source: Source | None = None


class Weights(_Fact, frozen=True, kw_only=True):
    """Identity of open weights: a Hugging Face repository and, where known, its revision."""

    repo: str
    revision: str | None = None


class Host(_Fact, frozen=True, kw_only=True):
    """Who runs an endpoint behind a router: the facts that a provider declares of itself."""

    operator: Operator
    processing_countries: tuple[str, ...] | None = None
    processing_source: Source | None = None
    terms: Terms = Terms()


class EndpointDeclaration(_Fact, frozen=True, kw_only=True):
    """One model that a provider offers. `quantization` is what the provider claims.

    `maker` says who made the model where neither the owner of its `weights` nor its name tells.

    At a router, `upstream` is the name by which it tells that the pinned host answered, and `host` is what is
    known of that host: prompts go to both, so a policy asks the facts of both.
    """

    model: str
    weights: Weights | None = None
    maker: str | None = None
    licence: str | None = None
    quantization: str | None = None
    context: int | None = None
    max_output: int | None = None
    prices: tuple[Price, ...] = ()
    quirks: Quirks | None = None
    base_url: str | None = None
    upstream: str | None = None
    host: Host | None = None
    note: str | None = None


class Provider(_Fact, frozen=True, kw_only=True):
    """One `providers/<id>.yaml`.

    `base_url` may hold `${NAME}` or `${NAME:-default}`, filled from the environment when used. `key_env`
    names the environment variable of the key, or is null where none is needed. `pin` is, for routers, the
    mark in a model's name before the one upstream that shall serve it.
    """

    id: str
    name: str
    kind: ProviderKind
    adapter: str
    base_url: str
    key_env: str | None
    operator: Operator
    auth: Literal["bearer", "x-api-key", "api-key", "none"] = "bearer"
    processing_countries: tuple[str, ...] | None = None
    processing_source: Source | None = None
    terms: Terms = Terms()
    quirks: Quirks = Quirks()
    filters: tuple[FilterRule, ...] = ()
    limits: Limits = Limits()
    rate_limit_headers: dict[str, str] = {}
    pin: str | None = None
    allow_http: bool = False
    endpoints: tuple[EndpointDeclaration, ...] = ()
    note: str | None = None


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One model at one provider, resolved and ready to be asked: the unit that is compared.

    `id` is `provider:model`; `quirks` are the endpoint's own where it declares any, else its provider's;
    `base_url` has its variables filled in.
    """

    id: str
    provider: Provider
    declaration: EndpointDeclaration
    base_url: str
    quirks: Quirks

    @property
    def model(self) -> str:
        """The provider's own model id."""
        return self.declaration.model

    @property
    def pinned(self) -> bool:
        """Whether one known host answers: always, but for a router without a pin."""
        provider = self.provider
        return provider.kind != "router" or (provider.pin is not None and provider.pin in self.model)

    @property
    def weights(self) -> Weights | None:
        """The weights it serves, if declared."""
        return self.declaration.weights
