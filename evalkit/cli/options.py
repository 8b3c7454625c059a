"""Options that several commands have, each with one name and one meaning."""

from __future__ import annotations

from typing import Annotated

import typer

Judges = Annotated[
    list[str] | None,
    typer.Option("--judge", help="Judge for answers to probes, provider:model. Two or more; repeat."),
]
Reserves = Annotated[
    list[str] | None,
    typer.Option("--reserve", help="Asked, in order, where a judge is blocked or fails. May repeat."),
]
Concurrency = Annotated[
    int | None, typer.Option("--concurrency", "-c", min=1, help="Requests at once per provider, at most.")
]
PolicyFile = Annotated[str | None, typer.Option(help="Policy file (default: ./policy.yaml).")]
PriceFile = Annotated[str | None, typer.Option(help="Your price file (default: ./prices.yaml).")]
Client = Annotated[str, typer.Option(help="Network client: auto, aiohttp, openai.")]
MaxCost = Annotated[
    float | None, typer.Option(min=0, help="Stop before the run has cost this many US dollars in all.")
]
MaxRequests = Annotated[
    int | None, typer.Option(min=1, help="Stop before the run has sent more requests than this in all.")
]
Timeout = Annotated[
    float | None, typer.Option(min=0.1, help="Seconds that one attempt may take (default: 1800).")
]
MaxMinutes = Annotated[float | None, typer.Option(min=0, help="Start no trial after so many minutes.")]
Shown = Annotated[
    str, typer.Option("--progress", help="auto, live (table), lines, json (events on stderr), none.")
]
Executor = Annotated[
    str,
    typer.Option(
        help="Where trials are worked: here, ray (a cluster of this machine's), or ray://host:port."
    ),
]
Otel = Annotated[
    bool, typer.Option("--otel", help="Send a span for each request to OTEL_EXPORTER_OTLP_ENDPOINT.")
]
SandboxName = Annotated[
    str,
    typer.Option(
        "--sandbox",
        help="Sandbox for code: auto, bubblewrap[:FOLDER], docker[:IMAGE], podman[:IMAGE], none.",
    ),
]
Understood = Annotated[
    bool,
    typer.Option(
        "--i-understand", help="With --sandbox none: code of models may do all that you may on this machine."
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
