"""No answer passes without computing the values, whatever it does to what runs beside it."""

# ruff: noqa: E501  # programs in strings
from __future__ import annotations

import msgspec
import pytest

from evalkit.errors import UsageError
from evalkit.sandbox import choose
from evalkit.scorers.code.job import Judged, Problem, Test, execution_of, judge
from evalkit.types.execution import ExecutionResult

BY_VALUE = Problem(
    kind="function",
    entry="is_even",
    tests=[
        *(Test(run=f"result = is_even({n})", expect=str(n % 2 == 0)) for n in range(6)),
        Test(run="is_even('x')", raises="TypeError"),
        Test(run="result = [is_even(2), is_even(3)]", expect="[True, False]"),
    ],
)
BY_CHECK = Problem(
    kind="function",
    entry="is_even",
    tests=[
        Test(
            check=(
                "def check(candidate):\n    SECRET = 'tell-nobody'\n"
                "    assert candidate(2) == True\n    assert candidate(3) == False\n"
                "    assert [candidate(n) for n in (4, 5)] == [True, False]\n"
                "check(candidate)\n"
            )
        ),
        Test(check="assert is_even(10) and not is_even(7)"),
    ],
)
BY_OUTPUT = Problem(
    kind="program",
    tests=[Test(stdin=f"{n}\n", output="yes\n" if n % 2 == 0 else "no\n") for n in range(4)],
)
RIGHT = {
    "value": "def is_even(n):\n    return n % 2 == 0\n",
    "check": "def is_even(n):\n    return n % 2 == 0\n",
    "output": "print('yes' if int(input()) % 2 == 0 else 'no')\n",
}
PROBLEMS = {"value": BY_VALUE, "check": BY_CHECK, "output": BY_OUTPUT}

ALWAYS_EQUAL = """
class Same(EXTRA):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __bool__(self): return True
    def __hash__(self): return 1
    def __repr__(self): return 'True'
    def __getattr__(self, name): return self
    def __call__(self, *a, **k): return self
    def __iter__(self): return iter([self, self])
def is_even(n):
    return Same()
"""
DIG = """
import gc, sys, os
def is_even(n):
    found = []
    frame = sys._getframe()
    while frame:
        found += [repr(frame.f_globals), repr(frame.f_locals)]
        frame = frame.f_back
    found += [repr(o) for o in gc.get_objects() if isinstance(o, (str, dict, tuple, list))]
    for place in ('/proc/1', '/proc/2', f'/proc/{os.getppid()}'):
        for name in ('mem', 'maps', 'environ', 'cmdline', 'fd/0', 'fd/3'):
            try:
                found.append(repr(open(f'{place}/{name}', 'rb').read(1000000)))
            except OSError:
                pass
    for root, _, names in os.walk('/job'):
        for name in names:
            found.append(open(os.path.join(root, name), errors='replace').read())
    if ''.join(['tell', '-nobody']) in ' '.join(found):
        return n % 2 == 0
    return None
"""
ATTACKS = {
    "leaves at once": "import os\nos._exit(0)\n",
    "exits": "import sys\nsys.exit(0)\n",
    "leaves when called": "import os\ndef is_even(n):\n    os._exit(0)\n",
    "leaves with the interpreter's end": "import atexit, os\natexit.register(os._exit, 0)\nraise SystemExit(0)\n",
    "equals everything": ALWAYS_EQUAL.replace("EXTRA", "object"),
    "equals everything, an int": ALWAYS_EQUAL.replace("EXTRA", "int"),
    "equals everything, a str": ALWAYS_EQUAL.replace("EXTRA", "str"),
    "equals everything, a list": ALWAYS_EQUAL.replace("EXTRA", "list"),
    "equals everything, a dict": ALWAYS_EQUAL.replace("EXTRA", "dict"),
    "patches the builtins": (
        "import builtins\nfor name in ('AssertionError', 'Exception', 'TypeError'):\n"
        "    setattr(builtins, name, type(name, (BaseException,), {}))\n"
        "builtins.isinstance = lambda *a: True\nbuiltins.repr = lambda o: 'True'\n"
        "builtins.type = lambda *a: bool\nbuiltins.exec = lambda *a: None\nbuiltins.compile = lambda *a, **k: ''\n"
        "def is_even(n):\n    return None\n"
    ),
    "patches the driver": (
        "import sys\nmain = sys.modules['__main__']\n"
        "main.literal = lambda *a, **k: 'True'\nmain.described = lambda e: 'TypeError'\n"
        "main.run_code = lambda *a: True\nmain.call = lambda *a: True\nmain.DOES = {}\n"
        "f = sys._getframe()\nwhile f:\n    f.f_locals.update(show=lambda *a, **k: 'True')\n    f = f.f_back\n"
        "def is_even(n):\n    return None\n"
    ),
    "writes answers to every descriptor before it is asked": (
        "import os\nfor text in (b'True', b'False', b'None'):\n    for fd in range(64):\n        for n in range(12):\n"
        "            data = b'\\0' * 16 + b'v' + text\n            try:\n"
        "                os.set_blocking(fd, False)\n                os.write(fd, len(data).to_bytes(8, 'big') + data)\n"
        "                os.write(fd, b'value %d %d\\n' % (n, len(text)) + text + b'\\n')\n"
        "                os.write(fd, b'end 0 0\\n\\n')\n            except OSError:\n                pass\nos._exit(0)\n"
    ),
    "answers for every test with the nonce that it reads": (
        "import os, sys\nf = sys._getframe()\nwhile f.f_code.co_name != 'serve': f = f.f_back\n"
        "r, w = f.f_locals['requests'], f.f_locals['answers']\n"
        "for n in range(50):\n    size = int.from_bytes(os.read(r, 8), 'big')\n    nonce = os.read(r, size)[:16]\n"
        "    data = nonce + b'v' + b'True'\n    os.write(w, len(data).to_bytes(8, 'big') + data)\n"
    ),
    "opens its parent's channel": (
        "import os\nfor pid in ('1', '2', str(os.getppid())):\n    for fd in range(64):\n        try:\n"
        "            d = os.open(f'/proc/{pid}/fd/{fd}', os.O_WRONLY)\n"
        "            for n in range(12): os.write(d, b'value %d 4\\nTrue\\n' % n)\n"
        "            os.write(d, b'end 0 0\\n\\n')\n        except OSError:\n            pass\n"
    ),
    "writes every right record to whatever it can open": (
        "import os\nRECORDS = GIVEN\nfor pid in ('self', '1', '2', '3', str(os.getppid())):\n    for fd in range(64):\n        try:\n"
        "            os.write(os.open(f'/proc/{pid}/fd/{fd}', os.O_WRONLY), RECORDS)\n        except OSError:\n            pass\n"
        "for fd in range(64):\n    try:\n        os.write(fd, RECORDS)\n    except OSError:\n        pass\nos._exit(0)\n"
    ),
    "writes to its parent's memory": (
        "import os\nparent = os.getppid()\nwith open(f'/proc/{parent}/maps') as m, open(f'/proc/{parent}/mem', 'r+b', 0) as f:\n"
        "    for line in m:\n        start = int(line.split('-')[0], 16)\n        f.seek(start)\n        f.write(b'\\0' * 64)\n"
    ),
    "kills its parent": "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\n",
    "kills everybody": "import os, signal\nos.kill(-1, signal.SIGKILL)\nos._exit(0)\n",
    "stops its parent": "import os, signal\nos.kill(os.getppid(), signal.SIGSTOP)\nos._exit(0)\n",
    "overwrites the driver": (
        "import os\nfor root, _, names in os.walk('/job'):\n    for n in names:\n        try:\n"
        "            open(os.path.join(root, n), 'w').write('import os; os._exit(0)')\n        except OSError:\n            pass\n"
        "def is_even(n):\n    return None\n"
    ),
    "brings its own modules": (
        "import os, sys\nfor n in ('values', 'ast', 'math', 'marshal', 'numpy'):\n"
        "    sys.modules[n] = sys\n    try:\n        open(n + '.py', 'w').write('decode = lambda t: True')\n    except OSError:\n        pass\n"
        "def is_even(n):\n    return None\n"
    ),
    "traces": "import sys\nsys.settrace(lambda *a: None)\nsys.setprofile(lambda *a: None)\ndef is_even(n):\n    return 1\n",
    "digs for what is expected": DIG,
    "says it raised": "class TypeError(Exception):\n    pass\ndef is_even(n):\n    raise TypeError()\n",
    "raises assertions": "def is_even(n):\n    raise AssertionError('assert True')\n",
    "forks and lets both answer": "import os\nos.fork()\ndef is_even(n):\n    return True\n",
    "is nothing": "",
    "is a guess": "def is_even(n):\n    return True\n",
    "prints a pass": "print('value 0 4\\nTrue\\nend 0 0\\n')\ndef is_even(n):\n    pass\n",
}


def records(form: str) -> str:
    """What the driver would write about a right answer, from one who knows every value."""
    if form == "check":
        texts = [("value", "None")] * 2
    elif form == "output":
        texts = [("value", test.output or "") for test in BY_OUTPUT.tests]
    else:
        texts = [
            ("raised", test.raises) if test.raises else ("value", test.expect or "")
            for test in BY_VALUE.tests
        ]
    lines = [f"{what} {n} {len(text)}\n{text}\n" for n, (what, text) in enumerate(texts)]
    return "start 0 0\n\nloaded 0 4\nNone\n" + "".join(lines) + "end 0 0\n\n"


@pytest.fixture(scope="module", params=["auto", "none"])
def sandbox(request):  # type: ignore[no-untyped-def]
    try:
        return choose(request.param, understood=True)
    except UsageError as error:
        pytest.skip(f"no sandbox on this machine: {error}")


@pytest.fixture(scope="module")
def isolated():  # type: ignore[no-untyped-def]
    try:
        return choose()
    except UsageError as error:
        pytest.skip(f"no sandbox on this machine: {error}")


def verdict(sandbox, problem: Problem, program: str) -> Judged:  # type: ignore[no-untyped-def]
    execution = execution_of(problem, program)
    limits = msgspec.structs.replace(execution.limits, cpu_s=5, wall_s=4)
    return judge(problem, sandbox.run_blocking(msgspec.structs.replace(execution, limits=limits)))


@pytest.mark.parametrize("form", PROBLEMS)
def test_a_right_answer_passes(sandbox, form: str) -> None:  # type: ignore[no-untyped-def]
    judged = verdict(sandbox, PROBLEMS[form], RIGHT[form])
    assert judged.verdict == "pass", judged


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("form", PROBLEMS)
def test_no_forged_answer_passes(isolated, form: str, attack: str) -> None:  # type: ignore[no-untyped-def]
    judged = verdict(isolated, PROBLEMS[form], ATTACKS[attack].replace("GIVEN", repr(records(form).encode())))
    assert judged.verdict != "pass", judged


@pytest.mark.parametrize("form", PROBLEMS)
def test_those_records_are_a_pass_where_the_driver_writes_them(form: str) -> None:
    result = ExecutionResult(
        ended="exited", exit_code=0, stdout=b"", stderr=b"", channel=records(form).encode(), cpu_s=0, wall_s=0
    )
    assert judge(PROBLEMS[form], result).verdict == "pass"


def test_the_tests_and_what_they_expect_are_not_where_the_answer_is(isolated) -> None:  # type: ignore[no-untyped-def]
    seen = verdict(isolated, BY_CHECK, DIG)
    assert seen.passed == 0, seen
