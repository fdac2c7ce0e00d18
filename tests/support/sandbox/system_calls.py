"""System calls made in a sandbox, by number: what the kernel, or a filter before it, answers."""

import json
from collections.abc import Sequence
from typing import Protocol

import pyseccomp

from sandbox.core.protocol import ExecResult

PYTHON = "/usr/bin/python3"
CALLS = """
import ctypes, json, os, signal, sys
libc = ctypes.CDLL(None, use_errno=True)
answers = {}
for name, number, arguments in json.load(sys.stdin):
    pid = os.fork()
    if pid == 0:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        ctypes.set_errno(0)
        done = libc.syscall(number, *map(ctypes.c_long, arguments))
        os._exit(0 if done != -1 else ctypes.get_errno())
    status = os.waitpid(pid, 0)[1]
    answers[name] = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
print(json.dumps(answers))
"""
HARMLESS = [-1, -1, -1, -1, -1, -1]

Numbered = tuple[str, int, Sequence[int]]
"""What it is called in the answers, its number, its arguments."""


class Running(Protocol):
    async def run(self, command: str, *, stdin: bytes = b"") -> ExecResult: ...


def number(name: str) -> int:
    found: int = pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name)
    return found


def known(names: list[str]) -> list[str]:
    return [name for name in names if number(name) >= 0]


async def answers(sandbox: Running, calls: Sequence[Numbered]) -> dict[str, int]:
    """What each call answers inside: an error number, or 0, or less than it at a signal."""
    words = json.dumps(calls).encode()
    result = await sandbox.run(f"{PYTHON} -c '{CALLS}'", stdin=words)
    assert result.exit_code == 0, result.text
    found: dict[str, int] = json.loads(result.text)
    return found
