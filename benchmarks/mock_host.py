"""A host that is not the bottleneck: precomputed answers from one asyncio protocol, in a process of its own.

The path says how: `/d<min>-<max>/p<pieces>/v1/chat/completions` waits between min and max milliseconds and
then writes the answer in so many pieces, a millisecond apart. A stream has 100 events. With `/f` after the
pieces, 10 % are 429 with `Retry-After: 1`, 2 % 500, 1 % dropped, and 0.5 % each malformed, cut and slow.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys

import uvloop

_PATH = re.compile(rb"POST /d(\d+)-(\d+)/p(\d+)/")
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


def _events() -> bytes:
    def chunk(**fields: object) -> bytes:
        body = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", **fields}
        return b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"

    parts = [chunk(choices=[{"index": 0, "delta": {"content": f" word{n}"}}]) for n in range(97)]
    parts.append(chunk(choices=[{"index": 0, "delta": {"content": " four."}}]))
    parts.append(chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}]))
    usage = {"prompt_tokens": 20, "completion_tokens": 99, "total_tokens": 119}
    parts.append(chunk(choices=[], usage=usage))
    return b"".join(parts) + b"data: [DONE]\n\n"


def _plain() -> bytes:
    message = {"role": "assistant", "content": " ".join(f"word{n}" for n in range(97)) + " four."}
    usage = {"prompt_tokens": 20, "completion_tokens": 99, "total_tokens": 119}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return json.dumps({"id": "c1", "model": "m", "choices": [choice], "usage": usage}).encode()


def _answer(kind: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: " + kind + b"\r\ncontent-length: %d\r\n\r\n" % len(body) + body


STREAM = _answer(b"text/event-stream", _events())
PLAIN = _answer(b"application/json", _plain())


_LIMITED = b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 2\r\n\r\n{}"
_BROKEN = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 2\r\n\r\n{}"


class Host(asyncio.Protocol):
    """One connection; requests on it follow each other."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Nothing is read yet."""
        self._transport = transport
        self._data = b""
        self._loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        """Answer when a request is complete."""
        self._data += data
        head, found, rest = self._data.partition(b"\r\n\r\n")
        if not found:
            return
        length = _LENGTH.search(head)
        if len(rest) < (int(length[1]) if length else 0):
            return
        self._data = b""
        path = _PATH.match(head)
        low, high, pieces = (int(group) for group in path.groups()) if path else (0, 0, 1)
        if path and head.startswith(b"/f/", path.end() - 1) and self._misbehaves(random.random()):
            return
        streamed = b'"stream":true' in rest.replace(b" ", b"")
        self._loop.call_later(
            random.uniform(low, high) / 1000, self._send, STREAM if streamed else PLAIN, pieces
        )

    def _misbehaves(self, x: float) -> bool:
        """Answer wrongly, with the shares that the head of this file names."""
        transport: asyncio.Transport = self._transport  # type: ignore[assignment]
        if x < 0.10:
            transport.write(_LIMITED)
        elif x < 0.12:
            transport.write(_BROKEN)
        elif x < 0.13:
            transport.abort()
        elif x < 0.135:
            transport.write(_answer(b"application/json", b'{"choices": [{"mess'))
        elif x < 0.14:
            transport.write(STREAM[: len(STREAM) // 2])
            transport.close()
        elif x < 0.145:
            self._send(STREAM, 200)
        else:
            return False
        return True

    def _send(self, data: bytes, pieces: int) -> None:
        if self._transport.is_closing():
            return
        size = -(-len(data) // pieces)
        self._transport.write(data[:size])  # type: ignore[attr-defined]
        if data[size:]:
            self._loop.call_later(0.001, self._send, data[size:], pieces - 1)


async def main() -> None:
    """Serve until killed; prints the port."""
    server = await asyncio.get_running_loop().create_server(Host, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
