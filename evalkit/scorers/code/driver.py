"""Runs inside the sandbox: has the answer's code executed by a child process and reports what came out.

The answer lives in a child that was forked before the tests were read. It cannot reach this process's memory,
descriptors or the result channel; one request goes to it at a time, with a nonce, and what it sends back is a
claim in text: a literal of plain types. Tests by value are judged outside of the sandbox, where the expected
values are. Checks (statements with asserts) run here, in the parent, on plain values that were decoded from
the child's text, so that an object which claims to equal everything is reported as what it is.

Needs the standard library only, and little of it, because every import is paid for by every answer.
"""

from __future__ import annotations

import ctypes
import marshal
import os
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

MOST = 8 << 20
"""The most bytes that the child may send at once."""

_DUMPABLE = 4
_DEEPEST = 50
_LONGEST_ITERATOR = 100_000
_ITERABLES = frozenset({"range", "dict_keys", "dict_values", "dict_items"})
_CONTAINERS: tuple[Any, ...] = (list, tuple, dict, set, frozenset)
_SCALARS: tuple[Any, ...] = (int, float, complex, str, bytes)


class Gone(BaseException):
    """The child ended, or broke the protocol. No test's own handler may catch it."""


# ---- values as text -------------------------------------------------------------------------------------


def literal(value: Any, *, loose: bool = False, depth: int = 0) -> str:
    """A value of builtin types as text that `evalkit.scorers.code.values.decode` reads.

    Args:
        value: Anything. What cannot be told exactly is named by its type, in angle brackets.
        loose: Take subclasses of builtin containers for what they hold, and iterators for their items.
        depth: How deep in another value this one is.
    """
    if depth > _DEEPEST:
        return "<too deep>"
    kind = type(value)
    if value is None or kind in (bool, str, bytes, complex):
        return repr(value)
    if kind is int:
        return repr(value) if value.bit_length() < 10_000 else hex(value)
    if kind is float:
        return _float(value)
    for plain in _CONTAINERS:
        if kind is plain or (loose and isinstance(value, plain)):
            return _container(plain, value, loose=loose, depth=depth + 1)
    return _loosely(value, depth) if loose else f"<{kind.__name__}>"


def _float(value: float) -> str:
    if value != value:
        return "nan"
    return repr(value) if abs(value) != float("inf") else ("1e999" if value > 0 else "-1e999")


def _container(plain: Any, value: Any, *, loose: bool, depth: int) -> str:
    if plain is dict:
        pairs = dict.items(value)
        return (
            "{"
            + ", ".join(
                f"{literal(k, loose=loose, depth=depth)}: {literal(v, loose=loose, depth=depth)}"
                for k, v in pairs
            )
            + "}"
        )
    items = [literal(item, loose=loose, depth=depth) for item in plain.__iter__(value)]
    if plain is list:
        return "[" + ", ".join(items) + "]"
    if plain is tuple:
        return f"({items[0]},)" if len(items) == 1 else "(" + ", ".join(items) + ")"
    inner = "{" + ", ".join(sorted(items)) + "}" if items else "set()"
    return inner if plain is set else f"frozenset({inner})"


def _loosely(value: Any, depth: int) -> str:
    for plain in _SCALARS:
        if isinstance(value, plain):
            return literal(plain.__new__(plain, value), depth=depth)
    module, name = type(value).__module__, type(value).__name__
    if (module, name) in {("decimal", "Decimal"), ("fractions", "Fraction"), ("collections", "deque")}:
        held = str(value) if name != "deque" else list(value)
        return f"{name}({literal(held, loose=True, depth=depth + 1)})"
    if module == "builtins" and (hasattr(value, "__next__") or name in _ITERABLES):
        items = [item for item, _ in zip(value, range(_LONGEST_ITERATOR), strict=False)]
        return f"iter({literal(items, loose=True, depth=depth + 1)})"
    return f"<{name}>"


# ---- the two processes ----------------------------------------------------------------------------------


def exactly(descriptor: int, size: int) -> bytes:
    """That many bytes, or Gone."""
    found = b""
    while len(found) < size:
        piece = os.read(descriptor, size - len(found))
        if not piece:
            raise Gone("ended")
        found += piece
    return found


def put(descriptor: int, data: bytes) -> None:
    """All of the bytes."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def frame(data: bytes) -> bytes:
    """Bytes with their length before them."""
    return len(data).to_bytes(8, "big") + data


class Answer:
    """The child, as its parent sees it: asked one thing at a time, never trusted."""

    def __init__(self, *, load: bool, closing: tuple[int, ...]) -> None:
        requests, self._requests = os.pipe()
        self._answers, answers = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            for descriptor in (self._requests, self._answers, *closing):
                os.close(descriptor)
            become_ordinary()
            serve(requests, answers, load=load)
        os.close(requests)
        os.close(answers)
        self.gone: str | None = None

    def ask(self, request: tuple[Any, ...]) -> tuple[str, str]:
        """Kind and text of the child's answer.

        Raises:
            Gone: it has ended or does not keep to the protocol; `gone` says how.
        """
        if self.gone is not None:
            raise Gone(self.gone)
        nonce = os.urandom(16)
        try:
            put(self._requests, frame(nonce + marshal.dumps(request)))
            size = int.from_bytes(exactly(self._answers, 8), "big")
            if not 17 <= size <= MOST:
                raise Gone("sent what is no answer")
            said = exactly(self._answers, size)
            if said[:16] != nonce:
                raise Gone("answered what was not asked")
        except (Gone, OSError) as error:
            self.gone = f"{error if isinstance(error, Gone) else 'ended'}{self._end()}"
            raise Gone(self.gone) from None
        return chr(said[16]), said[17:].decode("utf-8", "surrogatepass")

    def _end(self) -> str:
        """Kill the child and say by which signal it had ended, if by one."""
        for _ in range(20):
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                code = os.waitstatus_to_exitcode(status)
                return f" signal {-code}" if code < 0 else f" exit {code}"
            time.sleep(0.005)
        os.kill(self.pid, signal.SIGKILL)
        return ""


def serve(requests: int, answers: int, *, load: bool) -> NoReturn:
    """In the child: load the answer, then do what is asked until the parent goes."""
    names: dict[str, Any] = {"__name__": "solution"}
    say, show, get, loads = put, literal, exactly, marshal.loads
    loaded = load_answer(names) if load else ("v", "None")
    while True:
        size = int.from_bytes(get(requests, 8), "big")
        request = get(requests, size)
        nonce, (what, *rest) = request[:16], loads(request[16:])
        if what == "loaded":
            kind, text = loaded
        else:
            try:
                kind, text = "v", show(DOES[what](names, *rest), loose=what == "call")
            except BaseException as error:
                kind, text = "e", described(error)
        data = text.encode("utf-8", "surrogatepass")
        say(answers, frame(nonce + kind.encode() + (data if len(data) < MOST - 17 else b"<too long>")))


def load_answer(names: dict[str, Any]) -> tuple[str, str]:
    """Execute solution.py."""
    try:
        with open("solution.py", encoding="utf-8") as file:
            code = compile(file.read(), "solution.py", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return "s", str(error)[:300]
    try:
        exec(code, names)
    except BaseException as error:
        return "e", described(error)
    return "v", "None"


def described(error: BaseException) -> str:
    """The error's type and text, on two lines."""
    try:
        return f"{type(error).__name__}\n{error}"[:400]
    except BaseException:
        return type(error).__name__


def run_code(names: dict[str, Any], code: str) -> Any:
    """What the code assigns to `result`, in a copy of the answer's names."""
    scope = dict(names)
    exec(compile(code, "test", "exec"), scope)
    return scope.get("result")


def call(names: dict[str, Any], name: str, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """What a function of the answer returns."""
    return names[name](*args, **keywords)


def run_beside(names: dict[str, Any], code: str) -> Any:
    """Run a `unittest` module beside the answer: None, or what failed, in words."""
    import types
    import unittest

    module = types.ModuleType("tests")
    module.__dict__.update({key: value for key, value in names.items() if key != "__name__"})
    sys.modules["tests"] = module
    exec(compile(code, "tests.py", "exec"), module.__dict__)
    outcome = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromModule(module).run(outcome)
    failed = outcome.failures + outcome.errors
    if not outcome.testsRun:
        raise RuntimeError("no test was found")
    return [str(test)[:200] for test, _ in failed] or None


DOES: dict[str, Callable[..., Any]] = {"run": run_code, "call": call, "beside": run_beside}


def hide() -> None:
    """Let no process of this user open this one's memory or descriptors."""
    if ctypes.CDLL(None).prctl(_DUMPABLE, 0, 0, 0, 0):
        raise OSError("prctl failed")


def become_ordinary() -> None:
    """In a child: no input, nothing of the parent's, no special place in /proc."""
    ctypes.CDLL(None).prctl(_DUMPABLE, 1, 0, 0, 0)
    nothing = os.open("/dev/null", os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    sys.path.insert(0, os.getcwd())
    sys.setrecursionlimit(10_000)


# ---- the parent -----------------------------------------------------------------------------------------


class Channel:
    """The way out of the sandbox: records of a line `what number size` and the text."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def say(self, what: str, number: int, text: str = "") -> None:
        """Write one record."""
        data = text.encode("utf-8", "surrogatepass")
        put(self.descriptor, f"{what} {number} {len(data)}\n".encode() + data + b"\n")


def main() -> None:
    """See the module."""
    channel = Channel(int(sys.argv[1]))
    modes = sys.argv[2].split(",")
    hide()
    if os.environ.get("EVALKIT_SITE"):
        import site

        site.main()
    channel.say("start", 0)
    if "check" in modes:
        # Before the answer's code runs, which might change the file where nothing is read-only.
        sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
        import values  # type: ignore[import-not-found]  # noqa: F401

        stand_in()
        del sys.path[0]
    answer = None
    if "program" not in modes:
        answer = Answer(load="load" in modes, closing=(channel.descriptor,))
    with os.fdopen(os.dup(0), "rb") as file:
        job = marshal.loads(file.read())
    try:
        if answer is None:
            run_programs(job, channel)
        else:
            run_tests(job, answer, channel)
    except Gone as error:
        channel.say("gone", 0, str(error))
    else:
        channel.say("end", 0)


def stand_in() -> None:
    """Where there is no numpy, what checks use of it is laid out beside this file."""
    if not os.path.exists(os.path.join(sys.path[0], "allclose.py")):
        return
    try:
        import numpy  # noqa: F401
    except ImportError:
        import allclose  # type: ignore[import-not-found]

        sys.modules["numpy"] = allclose


def run_tests(job: dict[str, Any], answer: Answer, channel: Channel) -> None:
    """Each test, one after the other."""
    kind, text = answer.ask(("loaded",))
    channel.say({"v": "loaded", "s": "syntax"}.get(kind, "crash"), 0, text)
    if kind != "v":
        return
    for number, (what, code) in enumerate(job["tests"]):
        if what == "check":
            passed, text = checked(code, job, answer)
            channel.say("value" if passed else "failed", number, text)
            if answer.gone is not None:
                raise Gone(answer.gone)
        else:
            kind, text = answer.ask((what, code))
            channel.say("value" if kind == "v" else "raised", number, text)


def checked(code: str, job: dict[str, Any], answer: Answer) -> tuple[bool, str]:
    """Whether statements with asserts hold. They run here; only calls go to the answer."""
    entry = job["entry"]
    scope: dict[str, Any] = {"__name__": "check"}
    if job["preamble"]:
        try:
            exec(compile(job["preamble"].rstrip() + "\n    pass\n", "preamble", "exec"), scope)
        except Exception:
            scope = {"__name__": "check"}
    scope["candidate"] = scope[entry] = remote(answer, entry)
    try:
        exec(compile(code, "check", "exec"), scope)
    except Gone as error:
        return False, f"Gone\n{error}"
    except BaseException as error:
        return False, described(error)
    return answer.gone is None, "None"


def remote(answer: Answer, name: str) -> Callable[..., Any]:
    """A function of the answer, called in the child: plain values in, plain values out."""
    import builtins

    from values import decode

    def function(*args: Any, **keywords: Any) -> Any:
        kind, text = answer.ask(("call", name, args, keywords))
        if kind == "v":
            return decode(text)
        told, _, message = text.partition("\n")
        error = getattr(builtins, told, None)
        known = isinstance(error, type) and issubclass(error, Exception)
        raise error(message) if known and error is not None else RuntimeError(f"{told}: {message}")

    function.__name__ = name
    return function


def run_programs(job: dict[str, Any], channel: Channel) -> None:
    """Run solution.py anew for each test, with its input, and report its output."""
    with open("solution.py", encoding="utf-8") as file:
        source = file.read()
    try:
        code = compile(source, "solution.py", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return channel.say("syntax", 0, str(error)[:300])
    channel.say("loaded", 0)
    scratch = os.environ["HOME"]
    for number, (_, given) in enumerate(job["tests"]):
        files = [os.open(scratch, os.O_TMPFILE | os.O_RDWR, 0o600) for _ in range(2)]
        put(files[0], given.encode("utf-8", "surrogatepass"))
        os.lseek(files[0], 0, os.SEEK_SET)
        pid = os.fork()
        if not pid:
            os.close(channel.descriptor)
            become_ordinary()
            run_program(code, files)
        _, status = os.waitpid(pid, 0)
        try:
            os.killpg(pid, signal.SIGKILL)
        except OSError:
            pass
        ended = os.waitstatus_to_exitcode(status)
        if ended < 0:
            channel.say("gone", number, f"signal {-ended}")
        elif ended:
            channel.say("raised", number, f"exit {ended}")
        else:
            said = os.pread(files[1], MOST, 0).decode("utf-8", "replace")
            channel.say("value", number, said)
        for descriptor in files:
            os.close(descriptor)
    return None


def run_program(code: Any, files: list[int]) -> NoReturn:
    """In a child: one run of the program."""
    os.setsid()
    for target, descriptor in enumerate(files):
        os.dup2(descriptor, target)
        os.close(descriptor)
    ended = 0
    try:
        exec(code, {"__name__": "__main__"})
    except SystemExit as error:
        ended = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException as error:
        os.write(2, described(error).encode("utf-8", "replace"))
        ended = 1
    try:
        sys.stdout.flush()
    finally:
        os._exit(ended & 255)


if __name__ == "__main__":
    main()
    os._exit(0)
