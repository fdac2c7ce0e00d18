"""One process with an exact environment: its output read to a limit, its whole group ended."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from graph.calls import acquire, end_tasks, to_the_end

_READ_BYTES: Final = 64 * 1024
_STDERR_BYTES: Final = 16 * 1024


@dataclass(frozen=True)
class EndedProcess:
    """How a process ended; `stderr` is the last part. `over`: stopped by time or output."""

    exit_code: int
    stdout: bytes
    stderr: bytes
    over: str = ""

    @property
    def ok(self) -> bool:
        return self.exit_code == 0 and not self.over


async def run_process(
    line: Sequence[str],
    environment: Mapping[str, str],
    *,
    stdin: bytes,
    timeout_s: float,
    output_bytes: int,
) -> EndedProcess:
    """Run a program away from any working directory, to its end or its limits.

    Raises FileNotFoundError where there is no such program.
    """
    starting = asyncio.create_subprocess_exec(
        *line,
        stdin=asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        cwd="/",
        start_new_session=True,
    )
    process = await acquire(starting, _end)  # asyncio may wait for ever for a start that is cut
    stdout, stderr, over = b"", b"", ""
    try:
        async with asyncio.timeout(timeout_s):
            stdout, stderr = await _exchange(process, stdin, output_bytes)
            await process.wait()
    except TimeoutError:
        over = f"no end after {timeout_s:g} s"
    except _OutputTooLong:
        over = f"more than {output_bytes} bytes of output"
    finally:
        await to_the_end(_end(process))
    code = process.returncode if process.returncode is not None else -signal.SIGKILL
    return EndedProcess(code, stdout, stderr, over)


class _OutputTooLong(Exception):
    """Raised when a command prints more than it may."""


async def _exchange(
    process: asyncio.subprocess.Process, stdin: bytes, output_bytes: int
) -> tuple[bytes, bytes]:
    tasks = [
        asyncio.create_task(_read(process.stdout, output_bytes)),
        asyncio.create_task(_read_end(process.stderr)),
        asyncio.create_task(_feed(process.stdin, stdin)),
    ]
    try:
        stdout, stderr, _ = await asyncio.gather(*tasks)
    finally:
        await end_tasks(*tasks)
    return stdout or b"", stderr or b""


async def _read(stream: asyncio.StreamReader | None, limit: int) -> bytes:
    read = bytearray()
    while stream and (data := await stream.read(_READ_BYTES)):
        read += data
        if len(read) > limit:
            raise _OutputTooLong
    return bytes(read)


async def _read_end(stream: asyncio.StreamReader | None) -> bytes:
    end = b""
    while stream and (data := await stream.read(_READ_BYTES)):
        end = (end + data)[-_STDERR_BYTES:]
    return end


async def _feed(stream: asyncio.StreamWriter | None, data: bytes) -> bytes:
    if stream:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            stream.write(data)
            await stream.drain()
        stream.close()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            await stream.wait_closed()
    return b""


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill what is left of the process group, and see the process gone.

    Who holds its output is one of the group, also where the process itself has ended.
    """
    streams = (process.stdout, process.stderr)
    if process.returncode is None or any(each and not each.at_eof() for each in streams):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    # Before Python 3.12 a process counts as ended only once its pipes are read to their end.
    await asyncio.gather(*map(_drain, streams), process.wait())


async def _drain(stream: asyncio.StreamReader | None) -> None:
    while stream and await stream.read(_READ_BYTES):
        pass
