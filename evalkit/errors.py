"""Errors that a user can act on.

Every error a user may meet derives from `EvalkitError`. Its message is one sentence that says what is
wrong, where, what was expected and what to do. The command line prints it without a traceback and exits
with `exit_code`, whose values are documented in `docs/reference/exit-codes.md`.

    EvalkitError
    ├── UsageError            2   a wrong argument, or input that cannot be read
    │   ├── DefinitionError   2   a suite, provider, policy or gate file breaks its schema
    │   ├── MissingDataError  2   data that evalkit may not ship is not installed (says how to get it)
    │   ├── UnknownNameError  2   a name that nothing declares (carries the nearest names)
    │   └── StoreError        2   a results folder that is broken, newer, or in use
    ├── PolicyError           3   a prompt would go where the policy forbids
    └── InfrastructureError   5   hosts, disks or sandboxes failed beyond what is allowed
"""

from __future__ import annotations

import enum
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class ExitCode(enum.IntEnum):
    """What the process tells its caller. These numbers are API."""

    OK = 0
    GATE_FAILED = 1
    USAGE = 2
    POLICY = 3
    INCONCLUSIVE = 4
    INFRASTRUCTURE = 5
    INTERNAL = 70
    INTERRUPTED = 130


class EvalkitError(Exception):
    """Base of every error that is meant for a user."""

    exit_code: ExitCode = ExitCode.USAGE


class UsageError(EvalkitError):
    """The call or its input is wrong; nothing was sent."""


class DefinitionError(UsageError):
    """A definition file breaks its schema. The message starts with `file:line $.path`."""


class MissingDataError(UsageError):
    """Data that evalkit may not ship is not on this machine. The message says how to get it."""


class UnknownNameError(UsageError):
    """A name that nothing declares."""

    def __init__(self, kind: str, name: str, known: Iterable[str], mend: str = "") -> None:
        known = list(known)
        near = get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
        if not near and not mend:
            mend = f"It is one of {', '.join(sorted(known))}." if known else ""
        super().__init__(f"Unknown {kind} {name!r}.{hint}{' ' + mend if mend else ''}")
        self.name = name
        self.nearest = near


class StoreError(UsageError):
    """A results folder that is broken, was written by a newer evalkit, or is in use."""


class PolicyError(EvalkitError):
    """The policy does not allow this data at this endpoint; nothing was sent."""

    exit_code = ExitCode.POLICY


class InfrastructureError(EvalkitError):
    """Hosts, disks or sandboxes failed beyond what the run allows."""

    exit_code = ExitCode.INFRASTRUCTURE
