"""The three embedded hosts: the same weights, served well, cheaply and wrongly.

embedded-reference   the weights as they were published
embedded-cutrate     silently at about 3 bits a weight: fluent, and wrong more often
embedded-misset      a chat template of another family, so the model does not see its own turn markers
"""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Self

import msgspec

from evalkit.embedded.server import ServerOptions
from evalkit.embedded.weights import cache_folder, check_server, find_weights
from evalkit.errors import InfrastructureError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

MODEL = "smollm2-135m-instruct"
FIRST_PORT = 8611
_START_S = 60.0
_STOP_S = 5.0

_OTHER_FAMILY = (
    "{% for message in messages %}{% if message.role == 'user' %}### Instruction:\n{{ message.content }}\n\n"
    "{% elif message.role == 'assistant' %}### Response:\n{{ message.content }}\n\n"
    "{% else %}{{ message.content }}\n\n{% endif %}{% endfor %}### Response:\n"
)


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """One embedded host. `levels` is what `degrade` leaves of its weights, if it does."""

    provider: str
    port_variable: str
    what: str
    levels: int | None = None
    chat_template: str | None = None


HOSTS = (
    Host(
        provider="embedded-reference",
        port_variable="EVALKIT_EMBEDDED_REFERENCE_PORT",
        what="the weights as published",
    ),
    Host(
        provider="embedded-cutrate",
        port_variable="EVALKIT_EMBEDDED_CUTRATE_PORT",
        what="about 3 bits a weight, not declared",
        levels=10,
    ),
    Host(
        provider="embedded-misset",
        port_variable="EVALKIT_EMBEDDED_MISSET_PORT",
        what="another family's chat template",
        chat_template=_OTHER_FAMILY,
    ),
)


class EmbeddedHosts:
    """The three servers as child processes, as a context manager.

    While it is open, the environment variables that the provider declarations read name their ports.
    """

    def __init__(self, first_port: int | None = None, hosts: tuple[Host, ...] = HOSTS) -> None:
        """`first_port` None takes any free ports."""
        self.hosts = hosts
        self.ports = {
            host.provider: (first_port + index if first_port is not None else _free_port())
            for index, host in enumerate(hosts)
        }
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._environment = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Start the servers and wait until each answers.

        Raises:
            UsageError: weights or server are not installed, or a port is in use.
            InfrastructureError: a server died or did not become healthy in time.
        """
        check_server()
        for port in self.ports.values():
            _require_free(port)
        try:
            for host in self.hosts:
                self._children[host.provider] = self._start(host)
            for host in self.hosts:
                self._wait_until_healthy(host)
        except BaseException:
            self.stop()
            raise
        for host in self.hosts:
            value = str(self.ports[host.provider])
            self._environment.enter_context(_environment_variable(host.port_variable, value))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop every server."""
        self.stop()

    def stop(self) -> None:
        """End the child processes and give the environment back."""
        self._environment.close()
        for child in self._children.values():
            child.terminate()
        for child in self._children.values():
            try:
                child.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            if child.stdin:
                child.stdin.close()
        self._children.clear()

    def wait(self) -> None:
        """Block until a server ends.

        Raises:
            InfrastructureError: one ended by itself.
        """
        while True:
            for provider, child in self._children.items():
                if child.poll() is not None:
                    raise InfrastructureError(
                        f"The embedded server {provider} ended with {child.returncode}."
                    )
            time.sleep(0.5)

    def _start(self, host: Host) -> subprocess.Popen[bytes]:
        options = ServerOptions(
            model=str(model_file(host)),
            alias=MODEL,
            port=self.ports[host.provider],
            chat_template=host.chat_template,
        )
        command = [sys.executable, "-m", "evalkit.embedded.server", msgspec.json.encode(options).decode()]
        environment = {k: v for k, v in os.environ.items() if not k.endswith(("_KEY", "_TOKEN"))}
        return subprocess.Popen(  # noqa: S603  # our own module, fixed arguments
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )

    def _wait_until_healthy(self, host: Host) -> None:
        child, port = self._children[host.provider], self.ports[host.provider]
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            if child.poll() is not None:
                raise InfrastructureError(
                    f"The embedded server {host.provider} ended at once with {child.returncode}; "
                    "this CPU or its memory may not be enough (AVX2 and about 400 MB are needed)."
                )
            if _healthy(port):
                return
            time.sleep(0.1)
        raise InfrastructureError(
            f"The embedded server {host.provider} was not ready within {_START_S:.0f} s."
        )


def model_file(host: Host) -> Path:
    """The host's weights; a degraded copy is made once and kept in the cache folder."""
    original = find_weights()
    if host.levels is None:
        return original
    copy = cache_folder() / f"{original.stem}.{host.levels}levels-{original.stat().st_size}.gguf"
    if not copy.is_file():
        from evalkit.embedded.degrade import degrade

        degrade(original, copy, host.levels)
    return copy


def _healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1.0)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise UsageError(
                f"Port {port} on 127.0.0.1 cannot be used ({error.strerror}); choose others with --port."
            ) from None


@contextlib.contextmanager
def _environment_variable(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before
