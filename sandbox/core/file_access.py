"""Reading and writing a file of a tree, by a process inside: a link leads only to more sandbox.

The scripts are ours and hostile only in what they meet: folders, FIFOs, devices, links, files that
change under them. What still blocks ends with its time.
"""

import os
from collections.abc import Sequence
from typing import Protocol

from sandbox.core.protocol import ExecResult, FileAccessError

TIMEOUT_S = 20
PATH_BYTES = 4095

_REASONS = {
    40: "there is no such file",
    41: "it is a folder",
    42: "it is not a regular file",
    43: "permission denied",
    44: "its folder cannot be made",
}
_CHECK = '[ ! -d "$1" ] || exit 41; [ ! -e "$1" ] || [ -f "$1" ] || exit 42; '
# Never waiting for the other end: what was a file when it was looked at can be a FIFO by now.
_READ = (
    _CHECK
    + '[ -e "$1" ] || exit 40; [ -r "$1" ] || exit 43; '
    + 'exec dd if="$1" iflag=nonblock,count_bytes count="$2" bs=1M status=none'
)
_WRITE = (
    _CHECK
    + 'case "$1" in */*) mkdir -p -- "${1%/*}" || exit 44 ;; esac; '
    + '[ ! -e "$1" ] || [ -w "$1" ] || exit 43; '
    + 'exec dd of="$1" oflag=nonblock bs=1M status=none'
)


class Execute(Protocol):
    """Runs a program in the sandbox; `BubblewrapSandbox.execute` is one."""

    async def __call__(
        self, program: Sequence[str], *, stdin: bytes = b"", timeout_s: float, keep_bytes: int
    ) -> ExecResult: ...


async def read_file(execute: Execute, path: str, max_bytes: int) -> bytes:
    """The file's bytes. Raises FileAccessError."""
    result = await _script(execute, _READ, path, str(max_bytes + 1), keep_bytes=2 * max_bytes + 2)
    if len(result.output) > max_bytes:
        raise FileAccessError(f"{path!r} cannot be read: it is larger than {max_bytes} bytes")
    return result.output


async def write_file(execute: Execute, path: str, data: bytes) -> None:
    """Replace the file's content, or make it and its folders. Raises FileAccessError."""
    await _script(execute, _WRITE, path, stdin=data)


async def _script(
    execute: Execute,
    script: str,
    path: str,
    *words: str,
    stdin: bytes = b"",
    keep_bytes: int = 4096,
) -> ExecResult:
    _check(path)
    program = ["/bin/sh", "-c", script, "sh", path, *words]
    result = await execute(program, stdin=stdin, timeout_s=TIMEOUT_S, keep_bytes=keep_bytes)
    if result.exit_code != 0:
        raise FileAccessError(f"{path!r} cannot be used: {_reason(result)}")
    return result


def _check(path: str) -> None:
    """What no file is named, and what the kernel would not take as a word of a command."""
    try:
        name = os.fsencode(path)
    except UnicodeEncodeError:
        name = b""
    if not name or b"\0" in name or len(name) > PATH_BYTES or name.endswith(b"/"):
        raise FileAccessError(f"{path[:200]!r} is not the path of a file")


def _reason(result: ExecResult) -> str:
    return _REASONS.get(result.exit_code or 0) or result.reason
