"""Sends one span for each request to an OpenTelemetry collector, with the GenAI semantic conventions.

Spans carry no prompts and no answers. Where they go is configured as for every OpenTelemetry exporter, by
`OTEL_EXPORTER_OTLP_ENDPOINT`. Source: OpenTelemetry semantic conventions for generative client AI spans (in
development).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from evalkit import __version__
from evalkit.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.trace.export import SpanExporter

    from evalkit.ports.core import Progress
    from evalkit.types.generation import Generation, TrialKey
    from evalkit.types.provider import Endpoint

_NANO = 1_000_000_000


class Traced:
    """Passes on to another watcher, and sends a span for each request. See `evalkit.ports.core.Progress`."""

    def __init__(
        self, watcher: Progress, endpoints: Sequence[Endpoint], exporter: SpanExporter | None = None
    ) -> None:
        """`exporter` is OTLP over HTTP unless another is given.

        Raises:
            UsageError: the extra `otel` is not installed.
        """
        try:
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ModuleNotFoundError:
            raise UsageError(
                "--otel needs the extra otel; install it with `pip install 'evalkit[otel]'`."
            ) from None
        resource = Resource.create({"service.name": "evalkit", "service.version": __version__})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter or _otlp()))
        self._tracer = self._provider.get_tracer("evalkit", __version__)
        self._endpoints = {endpoint.id: endpoint for endpoint in endpoints}
        self._watcher = watcher

    def started(self, key: TrialKey) -> None:
        """A trial began."""
        self._watcher.started(key)

    def generated(self, generation: Generation, *, recorded: bool) -> None:
        """A generation ended: a span, unless it was taken from the journal."""
        self._watcher.generated(generation, recorded=recorded)
        if not recorded and generation.attempts:
            self._span(generation)

    def finished(self, key: TrialKey, outcome: str) -> None:
        """A trial ended."""
        self._watcher.finished(key, outcome)

    def noticed(self, message: str) -> None:
        """Something happened to a provider."""
        self._watcher.noticed(message)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()

    def _span(self, generation: Generation) -> None:
        from opentelemetry.trace import SpanKind, Status, StatusCode

        endpoint = self._endpoints.get(generation.endpoint)
        model = endpoint.model if endpoint is not None else generation.endpoint
        first, last = generation.attempts[0], generation.attempts[-1]
        span = self._tracer.start_span(
            f"chat {model}",
            kind=SpanKind.CLIENT,
            start_time=int(first.started_at * _NANO),
            attributes={k: v for k, v in _attributes(generation, endpoint, model).items() if v is not None},
        )
        if generation.outcome.is_failure or generation.outcome.is_blocked:
            span.set_status(Status(StatusCode.ERROR, generation.outcome.value))
        span.end(int((last.started_at + last.duration_s) * _NANO))


def _attributes(generation: Generation, endpoint: Endpoint | None, model: str) -> dict[str, Any]:
    response = generation.response
    usage = response.usage if response is not None else None
    parts = urlsplit(endpoint.base_url) if endpoint is not None else None
    failed = generation.outcome.is_failure or generation.outcome.is_blocked
    timing = generation.timing
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": endpoint.provider.id if endpoint is not None else None,
        "gen_ai.request.model": model,
        "gen_ai.response.model": response.served_model if response is not None else None,
        "gen_ai.response.id": response.response_id if response is not None else None,
        "gen_ai.response.finish_reasons": [response.native_finish]
        if response is not None and response.native_finish
        else None,
        "gen_ai.response.time_to_first_chunk": timing.first_token_s if timing is not None else None,
        "gen_ai.usage.input_tokens": usage.input if usage is not None else None,
        "gen_ai.usage.output_tokens": usage.output if usage is not None else None,
        "server.address": parts.hostname if parts is not None else None,
        "server.port": parts.port if parts is not None else None,
        "error.type": generation.outcome.value if failed else None,
        "evalkit.suite": generation.trial.suite,
        "evalkit.sample": generation.trial.sample,
        "evalkit.epoch": generation.trial.epoch,
        "evalkit.role": generation.role,
        "evalkit.outcome": generation.outcome.value,
        "evalkit.attempts": len(generation.attempts),
        "evalkit.cost_usd": generation.cost.usd if generation.cost is not None else None,
    }


def _otlp() -> SpanExporter:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ModuleNotFoundError:
        raise UsageError(
            "--otel needs the extra otel; install it with `pip install 'evalkit[otel]'`."
        ) from None
    return OTLPSpanExporter()
