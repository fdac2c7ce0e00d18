"""A container's fork server, and the supervisors that it makes.

Where a container cannot have one, each supervisor is a process that is started by itself.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

from graph.errors import SandboxError, SandboxLost
from sandbox.backends.container.container import Container, Process
from sandbox.backends.container.fork_server import (
    ANSWER,
    END_INPUT,
    ENDED,
    HEADER,
    IDLE_S,
    INPUT,
    OUTPUT,
    READY,
    START,
)
from sandbox.backends.container.supervisor import PIECE
from sandbox.backends.container.wire import SERVER_SOURCE, SERVER_WORDS, ExecRequest
from sandbox.core.output import BothEnds

_READY_WITHIN_S: Final = 60.0
_FRESH_S: Final = IDLE_S / 2
"""A fork server that was not used for longer may end itself just now: another one is started."""
_WAS_ENDED: Final = "the sandbox was lost: its fork server was ended"
_SAID_BYTES: Final = 2000
_QUOTED_CHARS: Final = 300


class Channel:
    """Starts supervisors in a container. One for all who use it in this process."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._opening = asyncio.Lock()
        self._server: Server | None = None
        self._is_refused = False
        self._is_new = True

    async def start(
        self, request: ExecRequest, *, timeout_s: int, apart: bool = False
    ) -> tuple[Process, bytes]:
        """A supervisor, and what goes into it before the input of its command.

        It ends after `timeout_s`. One that is `apart` does not hang on the fork server.
        Raises SandboxError.
        """
        self._is_new = False
        server = None if apart else await self._serving()
        if server is None:
            process = await self._container.start(request.argv, timeout_s=timeout_s)
            return process, request.stdin_preamble
        return server.start(request, timeout_s), b""

    @property
    def is_open(self) -> bool:
        """Whether a fork server is there for the next command, or will be: who asks has it too."""
        is_there = self._server is not None and self._server.is_fresh
        return is_there or self._is_new or self._opening.locked()

    def drop(self) -> None:
        """Start another fork server for what comes next: of this one something was lost."""
        server, self._server = self._server, None
        if server:
            server.end()

    async def _serving(self) -> "Server | None":
        async with self._opening:
            if self._server and not self._server.is_fresh:
                self.drop()
            if self._server is None and not self._is_refused:
                server = await _open_server(self._container)
                self._is_refused = bool(await server.refusal())
                self._server = None if self._is_refused else server
            return self._server


async def _open_server(container: Container) -> "Server":
    process = await container.start(SERVER_WORDS, timeout_s=None)
    await process.write(SERVER_SOURCE)
    return Server(process)


class Server:
    """A fork server that was started. Its frames are read until its end."""

    def __init__(self, process: Process) -> None:
        loop = asyncio.get_running_loop()
        self._process = process
        self._numbers = itertools.count(1)
        self._supervisors: dict[int, Supervisor] = {}
        self._writing = asyncio.Lock()
        self._writes: set[asyncio.Task[None]] = set()
        self._used_at = loop.time()
        self._loss: SandboxError | None = None
        self._refusal: asyncio.Future[str] = loop.create_future()
        self._ending: asyncio.Task[None] | None = None
        self._reading = loop.create_task(self._read())

    @property
    def is_lost(self) -> bool:
        return self._loss is not None

    @property
    def is_fresh(self) -> bool:
        """Whether it surely hears what it is told."""
        idle_s = asyncio.get_running_loop().time() - self._used_at
        return self._loss is None and (bool(self._supervisors) or idle_s < _FRESH_S)

    async def refusal(self) -> str:
        """Why it cannot serve; empty where it does. Raises SandboxLost: it says nothing."""
        awaited: list[asyncio.Future[Any]] = [self._refusal, self._reading]
        await asyncio.wait(awaited, timeout=_READY_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
        if self._refusal.done():
            return self._refusal.result()
        self.end()
        raise self._loss or SandboxLost("the sandbox was lost: no command can be started in it")

    def start(self, request: ExecRequest, timeout_s: int) -> "Supervisor":
        """It begins with what is written to it first."""
        number = next(self._numbers)
        timer = asyncio.get_running_loop().call_later(timeout_s, self._leave, number)
        first = frame(number, START, request.text)
        self._supervisors[number] = Supervisor(self.send, number, first, timer)
        return self._supervisors[number]

    async def send(self, frames: bytes) -> None:
        """Write them whole, also where whoever waits is cancelled, who does not wait for that."""
        writing = asyncio.create_task(self._write(frames))
        self._writes.add(writing)
        writing.add_done_callback(self._written)
        await asyncio.wait([writing])
        if writing.cancelled():
            raise SandboxLost(_WAS_ENDED)
        writing.result()

    async def ended(self) -> None:
        """Return when nothing more is heard of it."""
        await asyncio.wait([self._reading])

    def end(self) -> None:
        """What it runs is ended, and lost for who waits for it."""
        self._lose(SandboxLost(_WAS_ENDED))
        for writing in self._writes:
            writing.cancel()
        self._ending = asyncio.create_task(self._end_input())

    async def _write(self, frames: bytes) -> None:
        async with self._writing:
            self._used_at = asyncio.get_running_loop().time()
            try:
                await self._process.write(frames)
            except SandboxError as error:
                self._lose(error)
                raise

    def _written(self, writing: "asyncio.Task[None]") -> None:
        self._writes.discard(writing)
        if not writing.cancelled():
            writing.exception()  # seen here, where nobody waits for it any more

    async def _end_input(self) -> None:
        with suppress(SandboxError):  # it has gone then
            await self._process.end_input()

    async def _read(self) -> None:
        said = BothEnds(_SAID_BYTES)
        try:
            await asyncio.gather(self._take_frames(), _read_into(said, self._process.stderr()))
            told = said.kept.decode(errors="replace").strip() or "its fork server has ended"
            self._lose(SandboxLost(f"the sandbox was lost: {told[-_QUOTED_CHARS:]}"))
        except SandboxError as error:
            self._lose(error)
        except asyncio.CancelledError:
            self._lose(SandboxLost("the sandbox is closed"))
            raise

    async def _take_frames(self) -> None:
        data = bytearray()
        async for piece in self._process.stdout():
            data += piece
            while len(data) >= HEADER.size:
                number, kind, size = HEADER.unpack_from(data)
                if size > PIECE:
                    raise SandboxLost("the sandbox was lost: its fork server answers nonsense")
                end = HEADER.size + size
                if len(data) < end:
                    break
                self._take(number, kind, bytes(data[HEADER.size : end]))
                del data[:end]

    def _take(self, number: int, kind: int, data: bytes) -> None:
        self._used_at = asyncio.get_running_loop().time()
        if kind == READY and not self._refusal.done():
            self._refusal.set_result(data.decode(errors="replace"))
        elif kind == ENDED:
            if supervisor := self._supervisors.pop(number, None):
                supervisor.ended()
        elif number in self._supervisors and kind in (OUTPUT, ANSWER):
            self._supervisors[number].feed(kind, data)

    def _leave(self, number: int) -> None:
        """The time of one is over; what it says later is not heard."""
        if supervisor := self._supervisors.pop(number, None):
            supervisor.expired()

    def _lose(self, loss: SandboxError) -> None:
        self._loss = self._loss or loss
        supervisors, self._supervisors = self._supervisors, {}
        for supervisor in supervisors.values():
            supervisor.ended(self._loss)


class Supervisor:
    """A supervisor as a process of its own, as which it is read and written to."""

    def __init__(
        self,
        send: Callable[[bytes], Awaitable[None]],
        number: int,
        first: bytes,
        timer: asyncio.TimerHandle,
    ) -> None:
        self._send = send
        self._number = number
        self._first = first
        self._timer = timer
        self._is_late = False
        self._pieces: dict[int, asyncio.Queue[bytes | SandboxError | None]] = {
            OUTPUT: asyncio.Queue(),
            ANSWER: asyncio.Queue(),
        }

    def stdout(self) -> AsyncIterator[bytes]:
        return self._read(OUTPUT)

    def stderr(self) -> AsyncIterator[bytes]:
        return self._read(ANSWER)

    async def write(self, data: bytes) -> None:
        """The first time it is begun too, by the same call."""
        first, self._first = self._first, b""
        await self._send(first + (frame(self._number, INPUT, data) if data else b""))

    async def end_input(self) -> None:
        await self._send(self._first + frame(self._number, END_INPUT))

    async def wait(self) -> int | None:
        return None if self._is_late else 0

    def feed(self, kind: int, data: bytes) -> None:
        self._pieces[kind].put_nowait(data)

    def ended(self, loss: SandboxError | None = None) -> None:
        self._timer.cancel()
        for pieces in self._pieces.values():
            pieces.put_nowait(loss)

    def expired(self) -> None:
        self._is_late = True
        self.ended()

    async def _read(self, kind: int) -> AsyncIterator[bytes]:
        while (piece := await self._pieces[kind].get()) is not None:
            if isinstance(piece, SandboxError):
                raise piece
            yield piece


def frame(number: int, kind: int, data: bytes = b"") -> bytes:
    return HEADER.pack(number, kind, len(data)) + data


async def _read_into(kept: BothEnds, stream: AsyncIterator[bytes]) -> None:
    async for data in stream:
        kept.feed(data)
