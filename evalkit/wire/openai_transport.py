"""The `openai` package's async client as transport."""

from __future__ import annotations

from typing import Any

import httpx2
import openai

from evalkit.wire.package_transport import PackageTransport


class OpenAITransport(PackageTransport):
    """See `evalkit.ports.core.Transport`."""

    def __init__(self) -> None:
        super().__init__(openai)

    def _make(self, base_url: str, key: str, options: dict[str, Any]) -> openai.AsyncOpenAI:
        limits = httpx2.Limits(max_connections=None)
        client = openai.DefaultAsyncHttpx2Client(limits=limits)
        return openai.AsyncOpenAI(base_url=base_url, api_key=key, http_client=client, **options)
