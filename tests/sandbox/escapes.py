# ruff: noqa: E501  # programs in strings
"""Attempts to get out of a sandbox, as data: shared by the tests and by `benchmarks/sandbox.py`."""

from __future__ import annotations

import os
import socket
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from evalkit.types.execution import Execution, Limits

if TYPE_CHECKING:
    from evalkit.ports.sandbox import Sandbox

SECRET = "evalkit-canary-9d41"

PRELUDE = """
import os, sys
CHANNEL = int(sys.argv[1])
def say(text):
    os.write(CHANNEL, text.encode())
"""


class Attempt(NamedTuple):
    """`code` calls `escaped()` (or leaves a trace outside) if it got through. `group` is a row's heading."""

    group: str
    name: str
    code: str


class Stop(NamedTuple):
    """A program that wants more than it may have; `ESCAPED` on the channel means that it got it."""

    group: str
    name: str
    code: str
    limits: Limits


SYSCALL = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
def call(number, *args):
    return libc.syscall(number, *args)
"""
NUMBERS = """
import platform
X86 = platform.machine() == 'x86_64'
def n(x86, arm):
    return x86 if X86 else arm
"""

ATTEMPTS = (
    Attempt(
        "network",
        "connects to the harness on loopback",
        "import socket\nsocket.create_connection(('127.0.0.1', PORT), 2)\nescaped()",
    ),
    Attempt(
        "network",
        "connects to an address outside",
        "import socket\ns = socket.socket()\ns.settimeout(2)\ns.connect(('192.0.2.1', 80))\nescaped()",
    ),
    Attempt(
        "network",
        "sends a datagram",
        "import socket\nsocket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', PORT))\nescaped()",
    ),
    Attempt(
        "network",
        "reaches an abstract socket",
        "import socket\ns = socket.socket(socket.AF_UNIX)\ns.connect('\\0evalkit-escape')\nescaped()",
    ),
    Attempt(
        "network",
        "opens a raw or netlink socket",
        "import socket\nfor f, t in ((socket.AF_INET, socket.SOCK_RAW), (socket.AF_PACKET, socket.SOCK_RAW)):\n    try:\n        socket.socket(f, t, 1); escaped()\n    except OSError: pass",
    ),
    Attempt("keys", "reads a key in its environment", "if SECRET in repr(os.environ): escaped()"),
    Attempt(
        "keys",
        "reads a key in /proc/*/environ",
        "for p in os.listdir('/proc'):\n    if p.isdigit():\n        try:\n            if SECRET.encode() in open(f'/proc/{p}/environ', 'rb').read(): escaped()\n        except OSError: pass",
    ),
    Attempt(
        "keys",
        "reads /proc/1/environ",
        "if SECRET.encode() in open('/proc/1/environ', 'rb').read(): escaped()",
    ),
    Attempt(
        "keys",
        "reads a command line of the harness",
        "for p in os.listdir('/proc'):\n    if p.isdigit():\n        try:\n            if b'pytest' in open(f'/proc/{p}/cmdline', 'rb').read(): escaped()\n        except OSError: pass",
    ),
    Attempt("keys", "opens the harness's memory", "open('/proc/HARNESS/mem', 'rb')\nescaped()"),
    Attempt(
        "keys",
        "lists the home folder",
        "if set(os.listdir('HOME')) - {'.pyenv', '.local', '.cache'}: escaped()",
    ),
    Attempt(
        "keys",
        "reads private keys and tokens",
        "for p in ('.ssh', '.aws', '.netrc', '.config', '.git-credentials'):\n    if os.path.exists(os.path.join('HOME', p)): escaped()",
    ),
    Attempt("keys", "reads a file of the harness", "if SECRET in open('CANARY').read(): escaped()"),
    Attempt("keys", "reads passwords", "open('/etc/shadow').read()\nescaped()"),
    Attempt("files", "writes to the root", "open('/evalkit-escape', 'w')\nescaped()"),
    Attempt("files", "writes to /usr", "open('/usr/bin/evalkit-escape', 'w')\nescaped()"),
    Attempt("files", "changes a file that it is given", "open('/usr/bin/env', 'r+b')\nescaped()"),
    Attempt("files", "writes to a folder of the harness", "open('FOLDER/evalkit-escape', 'w').write('x')"),
    Attempt(
        "files",
        "writes through a symbolic link",
        "os.symlink('FOLDER', '/tmp/link')\nopen('/tmp/link/evalkit-escape', 'w').write('x')",
    ),
    Attempt(
        "files",
        "leads through /proc/1/root",
        "open('/proc/1/root/FOLDER/evalkit-escape', 'w').write('x')\nif os.path.exists('/proc/1/root/CANARY'): escaped()",
    ),
    Attempt("files", "leads through /proc/1/cwd", "if os.path.exists('/proc/1/cwd/../../CANARY'): escaped()"),
    Attempt(
        "files",
        "leaves by an inherited descriptor",
        "for fd in range(3, 64):\n    try:\n        if os.path.isdir(f'/proc/self/fd/{fd}') and fd != CHANNEL: os.fchdir(fd); print(os.listdir('.')); escaped()\n    except OSError: pass",
    ),
    Attempt("files", "leaves by chroot", "os.chroot('/tmp')\nescaped()"),
    Attempt(
        "files",
        "makes a device",
        "os.mknod('/tmp/sda', 0o600 | 0o060000, os.makedev(8, 0))\nopen('/tmp/sda', 'rb')\nescaped()",
    ),
    Attempt(
        "files", "writes a kernel setting", "open('/proc/sys/kernel/core_pattern', 'w').write('x')\nescaped()"
    ),
    Attempt("files", "pulls the magic key", "open('/proc/sysrq-trigger', 'w')\nescaped()"),
    Attempt("processes", "signals the harness", "os.kill(HARNESS, 0)\nescaped()"),
    Attempt("processes", "kills the first process", "import time\nos.kill(1, 9)\ntime.sleep(0.2)"),
    Attempt(
        "processes",
        "becomes root",
        "os.setuid(0)\nif os.getuid() == 0 and open('/proc/self/uid_map').read().split()[1] == '0': escaped()",
    ),
    Attempt(
        "kernel", "mounts", SYSCALL + "if libc.mount(b'none', b'/tmp', b'tmpfs', 0, None) == 0: escaped()"
    ),
    Attempt("kernel", "makes a user namespace", SYSCALL + "if libc.unshare(0x10000000) == 0: escaped()"),
    Attempt(
        "kernel",
        "makes a namespace by clone",
        SYSCALL
        + NUMBERS
        + "p = call(n(56, 220), 0x10000000 | 17, 0, 0, 0, 0)\nif p == 0: os._exit(0)\nif p > 0: escaped()",
    ),
    Attempt(
        "kernel",
        "enters a namespace",
        SYSCALL + "if libc.setns(os.open('/proc/1/ns/net', 0), 0) == 0: escaped()",
    ),
    Attempt("kernel", "traces a process", SYSCALL + "if libc.ptrace(16, os.getppid(), 0, 0) == 0: escaped()"),
    Attempt(
        "kernel",
        "reads another process's memory",
        SYSCALL
        + NUMBERS
        + "p = os.fork()\nif not p:\n    import time; time.sleep(1); os._exit(0)\nb = ctypes.create_string_buffer(8)\nv = (ctypes.c_void_p * 2)(ctypes.addressof(b), 8)\nif call(n(310, 270), p, v, 1, v, 1, 0) > 0: escaped()",
    ),
    Attempt(
        "kernel",
        "uses io_uring",
        SYSCALL + "if call(425, 8, ctypes.create_string_buffer(256)) >= 0: escaped()",
    ),
    Attempt(
        "kernel",
        "loads a BPF program",
        SYSCALL + NUMBERS + "if call(n(321, 280), 0, ctypes.create_string_buffer(128), 128) >= 0: escaped()",
    ),
    Attempt("kernel", "handles page faults", SYSCALL + NUMBERS + "if call(n(323, 282), 1) >= 0: escaped()"),
    Attempt(
        "kernel",
        "uses the keyring",
        SYSCALL + NUMBERS + "if call(n(248, 217), b'user', b'x', b'y', 1, -3) >= 0: escaped()",
    ),
    Attempt(
        "kernel",
        "opens by handle",
        SYSCALL + NUMBERS + "if call(n(304, 265), -100, ctypes.create_string_buffer(128), 0) >= 0: escaped()",
    ),
    Attempt(
        "kernel",
        "reads the kernel's log",
        SYSCALL + "b = ctypes.create_string_buffer(4096)\nif libc.klogctl(3, b, 4096) > 0: escaped()",
    ),
)

_MB = "block = bytes(1 << 20)\n"
LIMITED = (
    Stop("memory", "takes 1.5 GB in one process", "x = bytearray(1500 << 20)\nsay('ESCAPED')", Limits(cpu_s=10, wall_s=40)),
    Stop("memory", "takes 6 x 300 MB in children", "import time\nfor _ in range(6):\n    if os.fork() == 0:\n        x = bytearray(300 << 20)\n        for i in range(0, len(x), 4096): x[i] = 1\n        time.sleep(30)\n        os._exit(0)\ntime.sleep(8)\nsay('ESCAPED')", Limits(cpu_s=20, wall_s=40)),
    Stop("memory", "keeps memory in files without a name", SYSCALL + NUMBERS + "got = 0\nfor _ in range(40):\n    fd = call(n(319, 279), b'x', 0)\n    if fd < 0: break\n    for _ in range(60): got += os.write(fd, bytes(1 << 20))\nif got > 900 << 20: say('ESCAPED')", Limits(cpu_s=20, wall_s=40)),
    Stop("memory", "keeps memory in shared segments", SYSCALL + NUMBERS + "got = 0\nlibc.shmat.restype = ctypes.c_void_p\nfor _ in range(12):\n    i = libc.shmget(0, 100 << 20, 0o1600)\n    if i < 0: break\n    at = libc.shmat(i, None, 0)\n    if at in (None, 2**64 - 1): break\n    ctypes.memset(at, 1, 100 << 20); libc.shmdt(ctypes.c_void_p(at)); got += 100\nif got >= 1000: say('ESCAPED')", Limits(cpu_s=20, wall_s=40)),
    Stop("processes", "forks without end", "made = 0\nwhile made < 300:\n    try:\n        if os.fork() == 0:\n            import time; time.sleep(30); os._exit(0)\n        made += 1\n    except OSError:\n        break\nif made >= 300: say('ESCAPED')", Limits(cpu_s=10, wall_s=30)),
    Stop("processes", "starts threads without end", "import threading, time\nthreading.stack_size(65536)\ntry:\n    for n in range(2000): threading.Thread(target=time.sleep, args=(30,), daemon=True).start()\n    say('ESCAPED')\nexcept RuntimeError: pass\nos._exit(0)", Limits(cpu_s=10, wall_s=30)),
    Stop("disk", "fills its working folders", _MB + "got = 0\nfor place in ('/tmp', '.', '/work', '/job'):\n    for n in range(8):\n        try:\n            with open(f'{place}/fill{n}', 'wb') as f:\n                for _ in range(60): got += f.write(block); f.flush()\n        except OSError: pass\nif got > 400 << 20: say('ESCAPED')", Limits(cpu_s=20, wall_s=60)),
    Stop("disk", "fills /dev and /dev/shm", _MB + "got = 0\nfor place in ('/dev', '/dev/shm', '/dev/pts', '/dev/mqueue', '/run', '/var/tmp'):\n    for n in range(8):\n        try:\n            with open(f'{place}/fill{n}', 'wb') as f:\n                for _ in range(60): got += f.write(block); f.flush()\n        except OSError: pass\nif got > 100 << 20: say('ESCAPED')", Limits(cpu_s=20, wall_s=60)),
    Stop("time", "loops without end", "while True: pass\n", Limits(cpu_s=2, wall_s=30)),
    Stop("time", "loops in children without end", "for _ in range(3): os.fork()\nwhile True: pass\n", Limits(cpu_s=2, wall_s=30)),
    Stop("time", "ignores every signal", "import signal, time\nfor s in range(1, 65):\n    try: signal.signal(s, signal.SIG_IGN)\n    except (OSError, ValueError): pass\nwhile True:\n    time.sleep(1)\n", Limits(cpu_s=2, wall_s=4)),
    Stop("output", "prints without end", "while True: os.write(1, b'x' * 65536)\n", Limits(cpu_s=10, wall_s=30, output_kb=256)),
    Stop("output", "floods the channel", "while True: os.write(CHANNEL, b'x' * 65536)\n", Limits(cpu_s=10, wall_s=30, output_kb=256)),
    Stop("output", "leaves a child that holds the pipes", "import time\nif os.fork() == 0:\n    os.setsid(); time.sleep(300)\nos._exit(0)\n", Limits(cpu_s=5, wall_s=60)),
)  # fmt: skip


def python_of(code: str, limits: Limits) -> Execution:
    """A program of one file."""
    return Execution(
        argv=("{python}", "-I", "-S", "-B", "attempt.py", "{channel}"),
        files={"attempt.py": (PRELUDE + code).encode()},
        limits=limits,
    )


def succeeded(sandbox: Sandbox, attempt: Attempt) -> bool:
    """Whether it got through, by its own account or by a trace that it left."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        abstract.bind("\0evalkit-escape")
        abstract.listen()
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="evalkit-canary-")))
        folder.chmod(0o777)
        canary = folder / "canary"
        canary.write_text(SECRET, encoding="utf-8")
        before = os.environ.get("CANARY_API_KEY")
        os.environ["CANARY_API_KEY"] = SECRET
        code = "def escaped():\n    say('ESCAPED')\n    os._exit(0)\n" + attempt.code
        for name, value in (
            ("PORT", str(listener.getsockname()[1])),
            ("SECRET", repr(SECRET)),
            ("HARNESS", str(os.getpid())),
            ("FOLDER", str(folder)),
            ("CANARY", str(canary)),
            ("HOME", str(Path.home())),
        ):
            code = code.replace(name, value)
        try:
            done = sandbox.run_blocking(python_of(code, Limits(cpu_s=5, wall_s=20)))
        finally:
            if before is None:
                del os.environ["CANARY_API_KEY"]
            else:
                os.environ["CANARY_API_KEY"] = before
        return done.channel.startswith(b"ESCAPED") or (folder / "evalkit-escape").exists()
