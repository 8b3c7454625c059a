"""One llama.cpp server as a process of its own: `python -m evalkit.embedded.server '<json>'`.

It ends when its standard input is closed, so that it never outlives whoever started it.
"""

from __future__ import annotations

import sys

import msgspec


class ServerOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to serve and where. `context` tokens are shared by `slots` parallel requests."""

    model: str
    alias: str
    port: int
    chat_template: str | None = None
    slots: int = 2
    context: int = 8192


def serve(options: ServerOptions) -> None:
    """Serve until standard input ends."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = options.model
    params.model_alias = {options.alias}
    params.hostnames = ["127.0.0.1"]
    params.port = options.port
    params.n_parallel = options.slots
    params.n_ctx = options.context
    # llama.cpp's workers spin while they wait: on a busy machine a second thread makes it ten times slower.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.use_jinja = True
    if options.chat_template is not None:
        params.chat_template = options.chat_template
    server = xllamacpp.Server(params)
    sys.stdin.buffer.read()
    del server


if __name__ == "__main__":
    serve(msgspec.json.decode(sys.argv[1], type=ServerOptions))
