"""Runs of the command that need not import anything: each a process forked from a warm one."""

import asyncio
import atexit
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from tests.support.command import command_zygote

ROOT = Path(__file__).parents[3]
MAIN = "from coding_agent.__main__ import main; main()"


class WarmCommand:
    """A running command, to be used as a process of asyncio."""

    def __init__(self, pid: int, ends: asyncio.StreamReader) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdout = self.stderr = asyncio.StreamReader()
        self._stdin = -1
        self._ended = asyncio.create_task(self._end(ends))

    @classmethod
    async def started(
        cls,
        *words: str,
        env: Mapping[str, str],
        folder: Path,
        code: str = MAIN,
        drives: bool = False,
        files: tuple[int, int, int] | None = None,
    ) -> "WarmCommand":
        """Start it, or other `code`, on pipes or on `files`; `drives`: with what drives runs."""
        ours, theirs = _pipes() if files is None else ([], list(files))
        request = {"code": code, "words": words, "env": dict(env), "folder": str(folder)}
        message = json.dumps({**request, "drives": drives}).encode()
        report, reporting = socket.socketpair()
        with reporting:
            socket.send_fds(_zygote(), [message], [*theirs, reporting.fileno()])
        for descriptor in theirs if files is None else ():
            os.close(descriptor)
        ends, writer = await asyncio.open_connection(sock=report)
        command = cls(int(await ends.readline()), ends)
        command._ended.add_done_callback(lambda _: writer.close())
        if ours:
            command._stdin, out, err = ours
            command.stdout, command.stderr = await _read(out), await _read(err)
        return command

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    async def wait(self) -> int:
        return await asyncio.shield(self._ended)

    async def communicate(self, stdin: bytes = b"") -> tuple[bytes, bytes]:
        """What it wrote, once it has ended."""
        os.write(self._stdin, stdin)
        os.close(self._stdin)
        out, err = await asyncio.gather(self.stdout.read(), self.stderr.read())
        await self.wait()
        return out, err

    async def _end(self, ends: asyncio.StreamReader) -> int:
        self.returncode = int(await ends.readline())
        return self.returncode


def _pipes() -> tuple[list[int], list[int]]:
    """Our ends of three pipes, and theirs."""
    (theirs_in, ours_in), (ours_out, theirs_out), (ours_err, theirs_err) = (
        os.pipe() for _ in range(3)
    )
    return [ours_in, ours_out, ours_err], [theirs_in, theirs_out, theirs_err]


async def _read(descriptor: int) -> asyncio.StreamReader:
    """What comes until the other side is closed."""
    reader, loop = asyncio.StreamReader(), asyncio.get_running_loop()
    await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", 0)
    )
    return reader


@cache
def _zygote() -> socket.socket:
    """One for all tests of this process; it ends with it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    line = [sys.executable, "-I", command_zygote.__file__, str(theirs.fileno()), str(ROOT)]
    process = subprocess.Popen(
        line,
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
    )
    theirs.close()

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours
