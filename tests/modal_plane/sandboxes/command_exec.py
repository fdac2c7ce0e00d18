"""A command in a Sandbox, all that it wrote, and what was written to it."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

OUT, ERR = 1, 2
CHUNK = 1 << 16
TAIL = 400


@dataclass
class Stream:
    """All that was written to one of a command's outputs."""

    data: bytearray = field(default_factory=bytearray)
    closed: bool = False


@dataclass
class Exec:
    """One running command; `command` is what was asked for."""

    process: asyncio.subprocess.Process
    command: list[str]
    streams: dict[int, Stream] = field(default_factory=lambda: {OUT: Stream(), ERR: Stream()})
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    written: int = 0
    closed: bool = False
    code: int | None = None
    late: bool = False
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def begin(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.tasks = [
            asyncio.create_task(self._keep(OUT, self.process.stdout)),
            asyncio.create_task(self._keep(ERR, self.process.stderr)),
            asyncio.create_task(self._end()),
        ]

    async def _keep(self, number: int, pipe: asyncio.StreamReader) -> None:
        while chunk := await pipe.read(CHUNK):
            self.streams[number].data += chunk
            await self._tell()
        self.streams[number].closed = True
        await self._tell()

    async def _end(self) -> None:
        self.code = await self.process.wait()
        await self._tell()

    async def _tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def wait(self) -> int:
        async with self.changed:
            await self.changed.wait_for(lambda: self.code is not None)
        assert self.code is not None
        return self.code

    async def begins(self) -> bool:
        """Wait for the line that tells that the command is about to begin, and drop it."""
        out = self.streams[OUT]
        async with self.changed:
            await self.changed.wait_for(lambda: out.data or out.closed)
            if not out.data:
                await self.changed.wait_for(lambda: self.streams[ERR].closed)
                return False
        del out.data[:1]
        return True

    async def read(self, number: int, offset: int) -> AsyncIterator[bytes]:
        """What was written to an output from `offset` on, until it is closed."""
        stream = self.streams[number]
        while True:
            async with self.changed:
                while len(stream.data) <= offset and not stream.closed:
                    await self.changed.wait()
            if len(stream.data) <= offset:
                return
            chunk = bytes(stream.data[offset : offset + (1 << 20)])
            offset += len(chunk)
            yield chunk

    async def write(self, offset: int, data: bytes) -> None:
        """Write to its input what has not arrived yet; a command that reads no more is no error."""
        data = data[max(0, self.written - offset) :]
        assert self.process.stdin is not None
        with contextlib.suppress(ConnectionError):
            self.process.stdin.write(data)
            await self.process.stdin.drain()
        self.written += len(data)

    def close(self) -> None:
        self.closed = True
        assert self.process.stdin is not None
        self.process.stdin.close()

    def tail(self) -> str:
        """The end of what it wrote, for a report."""
        written = b"".join(bytes(self.streams[number].data[-TAIL:]) for number in (OUT, ERR))
        return written.decode(errors="replace")

    def kill(self) -> None:
        """End the command and what it started, but for what left its group."""
        if self.code is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def expire(self) -> None:
        self.late = self.code is None
        self.kill()


async def start(
    words: Sequence[str], command: Sequence[str], env: Mapping[str, str], keep: Sequence[int] = ()
) -> Exec:
    """Run `words`, which come down to `command`; its descriptors in `keep` stay open."""
    process = await asyncio.create_subprocess_exec(
        *words,
        env=env,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        pass_fds=keep,
        start_new_session=True,
    )
    running = Exec(process, list(command))
    running.begin()
    return running
