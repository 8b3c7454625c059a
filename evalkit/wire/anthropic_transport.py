"""The `anthropic` package's async client as transport, an extra."""

from __future__ import annotations

from typing import Any

import httpx2

from evalkit.errors import UsageError
from evalkit.wire.package_transport import PackageTransport

try:
    import anthropic
except ModuleNotFoundError:
    raise UsageError(
        "Anthropic's API needs the package anthropic; install it with `pip install 'evalkit[anthropic]'`."
    ) from None


class AnthropicTransport(PackageTransport):
    """See `evalkit.ports.core.Transport`."""

    def __init__(self) -> None:
        super().__init__(anthropic)

    def _make(self, base_url: str, key: str, options: dict[str, Any]) -> anthropic.AsyncAnthropic:
        client = anthropic.DefaultAsyncHttpxClient(limits=httpx2.Limits(max_connections=None))
        return anthropic.AsyncAnthropic(base_url=base_url, api_key=key, http_client=client, **options)
