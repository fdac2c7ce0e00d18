"""A sandbox in a container that others run: each command is a process there, under a supervisor."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Unpack

from graph.errors import SandboxLost
from sandbox.backends.container.channel import Channel
from sandbox.backends.container.container import Container, Process
from sandbox.backends.container.wire import (
    ExecAnswer,
    ExecRequest,
    exec_request,
    pieces_of,
    read_answer,
)
from sandbox.core.executing import ExecutingSandbox
from sandbox.core.output import BothEnds
from sandbox.core.protocol import KEEP_BYTES, ExecResult, Limits, RunOptions
from sandbox.core.shell_command import COMMAND_FILE, NOTHING

_ANSWER_BYTES = 64 * 1024
_SLACK_BYTES = 128 * 1024
_WRITTEN_BYTES = 2 << 20
"""Written at once at least, where there is as much: each call takes its time."""
_SLACK_S = 15.0
NO_VARIABLES: Mapping[str, str] = {}


class RemoteSandbox(ExecutingSandbox):
    """One tree in a container."""

    def __init__(
        self,
        container: Container,
        limits: Limits,
        variables: Mapping[str, str] = NO_VARIABLES,
        channel: Channel | None = None,
    ) -> None:
        """Commands have these `variables`, which are in no command line.

        `channel`: the container's, where others use it too.
        """
        self._variables = variables
        self._container = container
        self._channel = channel or Channel(container)
        self._limits = limits
        self._running: set[_Exec] = set()
        self._closed = False
        self._tree_bytes = 0

    async def execute(
        self,
        program: Sequence[str],
        *,
        files: Mapping[str, bytes] = NOTHING,
        **options: Unpack[RunOptions],
    ) -> ExecResult:
        """A long command is sent before its input."""
        script, stdin = files.get(COMMAND_FILE, b""), options.get("stdin", b"")
        keep_bytes = options.get("keep_bytes", KEEP_BYTES)
        request = exec_request(
            program[:1] if script else program,
            self._limits,
            timeout_s=options.get("timeout_s"),
            keep_bytes=keep_bytes,
        )
        request = replace(
            request,
            script_bytes=len(script),
            input_bytes=len(stdin),
            environment={**request.environment, **self._variables},
        )
        return await self.carry_out(request, pieces_of(script + stdin), keep_bytes)

    async def close(self) -> None:
        """The container stays, for the next who asks for its tree."""
        self._closed = True
        ending = [execution.stop() for execution in self._running]
        if ending:
            await asyncio.wait(ending, timeout=_SLACK_S)

    async def carry_out(
        self, request: ExecRequest, pieces: Iterable[bytes], keep_bytes: int
    ) -> ExecResult:
        """Start what the request says, feed it, and wait until all of it has ended."""
        if self._closed:
            raise SandboxLost("the sandbox is closed")
        known = replace(request, tree_bytes=self._tree_bytes)
        execution = _Exec(self._channel, known, pieces, keep_bytes)
        self._running.add(execution)
        try:
            answer = await execution.answer()
        except SandboxLost as error:
            if self._closed:
                raise SandboxLost("the sandbox is closed") from error
            self._channel.drop()
            raise
        finally:
            self._running.discard(execution)
        if answer is None:
            self._channel.drop()
            return await self._timed_out(request)
        self._tree_bytes = answer.tree_bytes or self._tree_bytes
        return answer.result

    async def kill_all(self) -> bool:
        """End everything that any command runs in it; whether that is so."""
        request = replace(exec_request(["/bin/true"], self._limits, timeout_s=5), kill_others=True)
        try:
            sweep = _Exec(self._channel, request, (), 0, apart=True)
            return await sweep.answer() is not None
        except SandboxLost:
            return False

    async def _timed_out(self, request: ExecRequest) -> ExecResult:
        """The result of a command whose supervisor gave no answer in time."""
        if not await self.kill_all():
            await self._container.end()
            raise SandboxLost("the sandbox was lost: it does not answer")
        took = request.answer_within_s * 1000
        return ExecResult(exit_code=None, output=b"", dropped=0, duration_ms=took, limit="time")


class _Exec:
    """With one process: its input goes in, its output and the supervisor's answer come out."""

    def __init__(
        self,
        channel: Channel,
        request: ExecRequest,
        pieces: Iterable[bytes],
        keep_bytes: int,
        *,
        apart: bool = False,
    ) -> None:
        self._channel = channel
        self._apart = apart
        self._request = request
        self._pieces = iter(pieces)
        self._kept = BothEnds(keep_bytes)
        self._stopped = asyncio.Event()
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(_consume_exception)

    def stop(self) -> "asyncio.Task[ExecAnswer | None]":
        """Let everything of it be killed; the task ends when that is so."""
        self._stopped.set()
        return self._task

    async def answer(self) -> ExecAnswer | None:
        """None where its time was over before it answered. Raises SandboxError."""
        try:
            return await asyncio.shield(self._task)
        except asyncio.CancelledError:
            self.stop()
            await asyncio.wait([self._task], timeout=_SLACK_S)
            raise

    async def _run(self) -> ExecAnswer | None:
        seconds = self._request.answer_within_s
        try:
            async with asyncio.timeout(seconds + _SLACK_S):
                return await self._exchange(seconds)
        except TimeoutError as error:
            raise SandboxLost("the sandbox was lost: nothing is heard of it") from error

    async def _exchange(self, seconds: int) -> ExecAnswer | None:
        answer = BothEnds(_ANSWER_BYTES)
        process, first = await self._channel.start(
            self._request, timeout_s=seconds, apart=self._apart
        )
        feeding = asyncio.create_task(self._feed(process, first))
        feeding.add_done_callback(_consume_exception)
        try:
            await asyncio.gather(
                _read(process.stdout(), self._kept, self._request.output_bytes),
                _read(process.stderr(), answer, _ANSWER_BYTES),
            )
            code = await process.wait()
        finally:
            feeding.cancel()
            await asyncio.wait([feeding])
        if code is None and not answer.total:
            return None
        return read_answer(answer.kept, self._kept)

    async def _feed(self, process: Process, first: bytes) -> None:
        """Give it its input; then hold its standard input open as long as it is to live."""
        data = first + await asyncio.to_thread(_join, self._pieces)
        await process.write(data)
        while data and not self._stopped.is_set():
            data = await asyncio.to_thread(_join, self._pieces)
            if data:
                await process.write(data)
        await self._stopped.wait()
        await process.end_input()


def _join(pieces: Iterator[bytes]) -> bytes:
    """The next pieces together. Empty where none is left. Blocks."""
    joined = bytearray()
    while len(joined) < _WRITTEN_BYTES and (piece := next(pieces, None)) is not None:
        joined += piece
    return bytes(joined)


def _consume_exception(task: "asyncio.Task[Any]") -> None:
    """Who was cancelled does not ask for the error; what cannot be fed gives no answer."""
    if not task.cancelled():
        task.exception()


async def _read(stream: AsyncIterator[bytes], kept: BothEnds, most: int) -> None:
    async for data in stream:
        kept.feed(data)
        if kept.total > most + _SLACK_BYTES:
            raise SandboxLost("the sandbox was lost: it answers with more than was asked for")
