"""Sandboxes on Modal: a tree is a Sandbox of its own, found by name, on nobody's disk but its own.

Nothing is mounted and no secret is given: base and change are streamed in, the change is streamed
out. All errors of Modal's library are mapped here.
"""

import asyncio
import itertools
import math
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import modal
from grpclib.exceptions import GRPCError, StreamTerminatedError
from modal.exception import (
    AlreadyExistsError,
    AuthError,
    NotFoundError,
    PermissionDeniedError,
    RemoteError,
    ResourceExhaustedError,
    VersionError,
)

from graph.errors import SandboxError, SandboxLost, SandboxUnavailable
from sandbox.files import read_file, write_file
from sandbox.output import BothEnds
from sandbox.sandbox import ExecResult, Limits, Sandbox
from sandbox.supervised import (
    LONGEST_WORD,
    NO_COMMAND,
    Order,
    command_bytes,
    order_of,
    pieces_of,
    read_answer,
)

Box = modal.Sandbox
FOREIGN = (modal.Error, GRPCError, StreamTerminatedError, OSError)
_REFUSED = (AuthError, PermissionDeniedError, VersionError)
_CPU_RESERVED, _MEMORY_RESERVED_MB = 0.5, 512
_MEMORY_OURS_MB = 256
"""For what is not a command's: the supervisors."""
_ANSWER_BYTES = 64 * 1024
_SLACK_BYTES = 128 * 1024
_SLACK_S = 15.0


class ModalSandbox(Sandbox):
    """One tree in a Sandbox of Modal. A command is one exec, under a supervisor of ours."""

    def __init__(self, box: Box, limits: Limits) -> None:
        self._box = box
        self._limits = limits
        self._running: set[_Exec] = set()
        self._closed = False

    async def run(
        self,
        command: str,
        *,
        timeout_s: float | None = None,
        stdin: bytes = b"",
        keep_bytes: int = 64 * 1024,
    ) -> ExecResult:
        text = command_bytes(command)
        if text is None:
            return NO_COMMAND
        short = len(text) <= LONGEST_WORD
        program = ["/bin/bash", "-c", command, "bash"] if short else ["/bin/bash"]
        order = order_of(program, self._limits, timeout_s=timeout_s, keep_bytes=keep_bytes)
        return await self._carry_out(order, stdin, keep_bytes, script=b"" if short else text)

    async def execute(
        self,
        program: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout_s: float | None = None,
        keep_bytes: int = 64 * 1024,
    ) -> ExecResult:
        order = order_of(program, self._limits, timeout_s=timeout_s, keep_bytes=keep_bytes)
        return await self._carry_out(order, stdin, keep_bytes)

    async def read(self, path: str, *, max_bytes: int = 1024 * 1024) -> bytes:
        return await read_file(self.execute, path, max_bytes)

    async def write(self, path: str, data: bytes) -> None:
        await write_file(self.execute, path, data)

    async def close(self) -> None:
        """The Sandbox stays, for the next who asks for its tree."""
        self._closed = True
        ending = [execution.stop() for execution in self._running]
        if ending:
            await asyncio.wait(ending, timeout=_SLACK_S)

    async def _carry_out(
        self, order: Order, stdin: bytes, keep_bytes: int, script: bytes = b""
    ) -> ExecResult:
        order = replace(order, script_bytes=len(script), input_bytes=len(stdin))
        return await self.carry_out(order, pieces_of(script + stdin), keep_bytes)

    async def carry_out(self, order: Order, pieces: Iterable[bytes], keep_bytes: int) -> ExecResult:
        """Start what the order says, feed it, and wait until all of it has ended."""
        if self._closed:
            raise SandboxLost("the sandbox is closed")
        execution = _Exec(self._box, order, pieces, keep_bytes)
        self._running.add(execution)
        try:
            result = await execution.result()
        except SandboxLost as error:
            if self._closed:
                raise SandboxLost("the sandbox is closed") from error
            raise
        finally:
            self._running.discard(execution)
        return await self._swept(order) if result is None else result

    async def _swept(self, order: Order) -> ExecResult:
        """The result of a command whose supervisor gave no answer in time: everything was ended."""
        sweep = replace(order, program=("/bin/true",), timeout_s=1, input_bytes=0, script_bytes=0)
        ended = await _Exec(self._box, replace(sweep, sweep=True), (), 0).result()
        if ended is None:
            with mapped():
                await self._box.terminate.aio()
            raise SandboxLost("the sandbox was lost: it does not answer")
        took = math.ceil(order.patience_s * 1000)
        return ExecResult(exit_code=None, output=b"", dropped=0, duration_ms=took, limit="time")


class _Exec:
    """One exec: its input goes in, its output and the supervisor's answer come out."""

    def __init__(self, box: Box, order: Order, pieces: Iterable[bytes], keep_bytes: int) -> None:
        self._box = box
        self._order = order
        self._pieces = itertools.chain([order.head], pieces)
        self._kept = BothEnds(keep_bytes)
        self._stopped = asyncio.Event()
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(_heard)

    def stop(self) -> "asyncio.Task[ExecResult | None]":
        """Let everything of it be killed; the task ends when that is so."""
        self._stopped.set()
        return self._task

    async def result(self) -> ExecResult | None:
        """None where Modal ended it: the supervisor had no time to. Raises SandboxError."""
        try:
            return await asyncio.shield(self._task)
        except asyncio.CancelledError:
            self.stop()
            await asyncio.wait([self._task], timeout=_SLACK_S)
            raise

    async def _run(self) -> ExecResult | None:
        seconds = math.ceil(self._order.patience_s)
        told = BothEnds(_ANSWER_BYTES)
        with mapped():
            async with asyncio.timeout(seconds + _SLACK_S):
                process = await self._box.exec.aio(*self._order.words, timeout=seconds, text=False)
                feeding = asyncio.create_task(self._feed(process))
                try:
                    await asyncio.gather(
                        _read(process.stdout, self._kept, self._order.output_bytes),
                        _read(process.stderr, told, _ANSWER_BYTES),
                    )
                    code = await process.wait.aio()
                finally:
                    feeding.cancel()
                    await asyncio.wait([feeding])
        if code == -1 and not told.total:
            return None
        return read_answer(told.kept, self._kept)

    async def _feed(self, process: "modal.container_process.ContainerProcess[bytes]") -> None:
        """Give it its input; then hold its standard input open as long as it is to live."""
        while not self._stopped.is_set():
            piece = await asyncio.to_thread(next, self._pieces, None)
            if piece is None:
                await self._stopped.wait()
                break
            process.stdin.write(piece)
            await process.stdin.drain.aio()
        process.stdin.write_eof()
        await process.stdin.drain.aio()


class Boxes:
    """Modal's Sandboxes of one app: made, found by name or by tags, marked, ended.

    `lifetime_s` and `idle_s` end one that everybody has forgotten. Of the cores and the memory that
    commands may take, a part is reserved.
    """

    def __init__(
        self, *, app_name: str, image: modal.Image, limits: Limits, lifetime_s: int, idle_s: int
    ) -> None:
        self.limits = limits
        self._app_name = app_name
        self._image = image
        self._lifetime_s = lifetime_s
        self._idle_s = idle_s
        self._app: modal.App | None = None

    async def find(self, name: str) -> Box | None:
        """The one of that name, where it runs."""
        with mapped():
            try:
                box = await modal.Sandbox.from_name.aio(self._app_name, name)
                return box if await box.poll.aio() is None else None
            except NotFoundError:
                return None

    async def make(
        self,
        name: str,
        tags: Mapping[str, str],
        *,
        snapshot: str = "",
        hosts: Sequence[str] = (),
    ) -> Box | None:
        """A new one, None where the name is taken; without a network, or with `hosts` alone."""
        cpus, memory = self.limits.cpus, self.limits.memory_mb
        with mapped():
            image = await modal.Image.from_id.aio(snapshot) if snapshot else self._image
            try:
                return await modal.Sandbox.create.aio(
                    "sleep",
                    "infinity",
                    app=await self._looked_up(),
                    name=name,
                    tags=dict(tags),
                    image=image,
                    secrets=[],
                    volumes={},
                    timeout=self._lifetime_s,
                    idle_timeout=self._idle_s,
                    cpu=(min(_CPU_RESERVED, cpus), cpus),
                    memory=(min(_MEMORY_RESERVED_MB, memory), memory + _MEMORY_OURS_MB),
                    block_network=not hosts,
                    outbound_domain_allowlist=list(hosts) or None,
                    include_oidc_identity_token=False,
                )
            except AlreadyExistsError:
                return None

    async def tagged(self, tags: Mapping[str, str]) -> list[Box]:
        """Those that run and have at least these tags."""
        with mapped():
            app = await self._looked_up()
            listed = modal.Sandbox.list.aio(app_id=app.app_id, tags=dict(tags))
            return [box async for box in listed]

    async def tags_of(self, box: Box) -> dict[str, str]:
        with mapped():
            return dict(await box.get_tags.aio())

    async def mark(self, box: Box, tags: Mapping[str, str]) -> None:
        """Give it these tags in place of those it had; what runs in it cannot change them."""
        with mapped():
            await box.set_tags.aio(dict(tags))

    async def end(self, box: Box) -> None:
        """Everything in it is killed, and it is gone; nothing happens where it is already."""
        with mapped():
            try:
                await box.terminate.aio(wait=True)
            except NotFoundError:
                return

    async def snapshot(self, box: Box) -> str:
        """The id of an image of its files."""
        with mapped():
            image = await box.snapshot_filesystem.aio()
            return image.object_id

    async def _looked_up(self) -> modal.App:
        if self._app is None:
            self._app = await modal.App.lookup.aio(self._app_name, create_if_missing=True)
        return self._app


def _heard(task: "asyncio.Task[ExecResult | None]") -> None:
    """Who was cancelled does not ask for the error."""
    if not task.cancelled():
        task.exception()


async def _read(stream: AsyncIterator[bytes], kept: BothEnds, most: int) -> None:
    async for data in stream:
        kept.feed(data)
        if kept.total > most + _SLACK_BYTES:
            raise SandboxLost("the sandbox was lost: it answers with more than was asked for")


@contextmanager
def mapped() -> Iterator[None]:
    """Modal's errors, and those of the way to it, as ours."""
    try:
        yield
    except FOREIGN as error:
        raise ours(error) from error


def ours(error: BaseException) -> SandboxError:
    """What an error of Modal's means here: refused, used up, or lost on the way."""
    said = f"{type(error).__name__}: {error}".rstrip(": ")[:300]
    match error:
        case _ if isinstance(error, _REFUSED):
            return SandboxUnavailable(f"Modal refused a Sandbox: {said}", "Renew Modal's token.")
        case ResourceExhaustedError():
            return SandboxUnavailable(
                f"Modal has no Sandbox left to give: {said}",
                "Run fewer at a time, or raise the workspace's limits.",
            )
        case RemoteError():
            return SandboxUnavailable(
                f"The Sandbox's image cannot be built: {said}",
                "See CODING_AGENT_SANDBOX_IMAGE.",
            )
    return SandboxLost(f"the sandbox was lost: {said}")
