"""Spans reach a real OTLP receiver on loopback, and hold no text."""

from __future__ import annotations

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from evalkit.testing import Behaviour, FakeProvider

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

COMMAND = [sys.executable, "-c", "from evalkit.cli import main; main()"]


class Receiver(BaseHTTPRequestHandler):
    bodies: list[bytes] = []  # noqa: RUF012  # shared by the handler's instances on purpose

    def do_POST(self) -> None:
        import gzip

        data = self.rfile.read(int(self.headers["content-length"]))
        Receiver.bodies.append(
            gzip.decompress(data) if self.headers.get("content-encoding") == "gzip" else data
        )
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


def test_each_request_is_a_span(
    make_suite: Callable[..., None], declare: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    Receiver.bodies.clear()
    make_suite(3)
    collector = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=collector.serve_forever)
    thread.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_port}")
    try:
        with FakeProvider(Behaviour(text="the answer is four")) as server:
            declare(server)
            command = [*COMMAND, "run", "tiny", "--on", "fake:model", "--otel"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            assert done.returncode == 0, done.stderr
    finally:
        collector.shutdown()
        thread.join()
        collector.server_close()
    spans = [
        span
        for body in Receiver.bodies
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    assert [span.name for span in spans] == ["chat model"] * 3
    facts = {a.key: a.value for a in spans[0].attributes}
    assert facts["gen_ai.operation.name"].string_value == "chat"
    assert facts["gen_ai.provider.name"].string_value == "fake"
    assert facts["gen_ai.usage.input_tokens"].int_value == 10
    assert facts["server.address"].string_value == "127.0.0.1"
    assert facts["evalkit.outcome"].string_value == "ok"
    assert spans[0].end_time_unix_nano > spans[0].start_time_unix_nano
    assert not any(b"the answer is four" in body or b"question" in body for body in Receiver.bodies)
