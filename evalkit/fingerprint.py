"""Identity of a request: exact bytes, to one endpoint, for one draw.

Resume, replay, crash recovery and re-use between runs are one look-up of it in a journal. Two epochs of one
prompt are two draws and never share an answer; neither do two hosts.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evalkit.types.generation import TrialKey
    from evalkit.types.provider import Endpoint
    from evalkit.types.wire import Call


def fingerprint(call: Call, endpoint: Endpoint, draw: str) -> str:
    """SHA-256, in hexadecimal, of endpoint, path, extra headers, body and draw.

    Where the endpoint listens is not part of it: its id stands for that, and a run refuses to go on with an
    endpoint whose declared URL has changed.
    """
    digest = hashlib.sha256()
    headers = "".join(f"{name}:{call.headers[name]}\n" for name in sorted(call.headers))
    for part in (endpoint.id, call.method, call.path, headers, draw):
        data = part.encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    digest.update(call.body)
    return digest.hexdigest()


def imported(trial: TrialKey, turn: int) -> str:
    """Identity of an answer that another tool asked for: the bytes that it sent are not known.

    It never equals that of a request of ours, so an imported answer is never taken for one.
    """
    digest = hashlib.sha256(b"imported")
    for part in (trial.suite, trial.sample, trial.endpoint, str(trial.epoch), str(turn)):
        data = part.encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()
