"""A bash command as the program that a sandbox starts."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sandbox.core.protocol import ExecResult

COMMAND_FILE = "/etc/command.sh"
LONGEST_WORD = 100_000
"""The kernel takes words of 128 KiB; a longer command is a file."""
NOTHING: Mapping[str, bytes] = {}
NO_COMMAND = ExecResult(
    exit_code=126,
    output=b"bash: a command holds no NUL bytes and no lone surrogates\n",
    dropped=0,
    duration_ms=0,
)


@dataclass(frozen=True)
class ShellCommand:
    """The words to start, and files that must be in the sandbox for it."""

    program: Sequence[str]
    files: Mapping[str, bytes]


def shell_command(command: str) -> ShellCommand | None:
    """None for what no kernel takes as a word: the answer is then `NO_COMMAND`."""
    try:
        text = os.fsencode(command)
    except UnicodeEncodeError:
        return None
    if b"\0" in text:
        return None
    if len(text) > LONGEST_WORD:
        return ShellCommand(["/bin/bash", COMMAND_FILE], {COMMAND_FILE: text})
    return ShellCommand(["/bin/bash", "-c", command, "bash"], NOTHING)
