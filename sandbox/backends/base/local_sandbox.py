"""What the sandboxes of this machine have in common: calls that end with it, limits watched."""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from graph.errors import SandboxLost
from sandbox.backends.base.command import KEEP_BYTES, Command
from sandbox.core.file_access import read_file, write_file
from sandbox.core.protocol import ExecResult, LimitHit, Limits
from sandbox.core.shell_command import NO_COMMAND, NOTHING, shell_command
from sandbox.host.resource_usage import TreeSize
from sandbox.host.resource_watch import (
    Watched,
    has_outgrown,
    watch_time,
    watch_tree,
    watched,
)

Watchers = Sequence[Coroutine[None, None, None]]


class Running(Watched, Protocol):
    """A command that runs."""

    limit: LimitHit | None

    async def wait(self) -> None: ...


class LocalSandbox(ABC):
    """One tree. A command is started when `run` is called and gone when it returns.

    What is abstract here is what a backend of this machine has to implement. `size` is watched;
    None where the kernel holds the tree to its limit.
    """

    def __init__(self, size: TreeSize | None, limits: Limits) -> None:
        self._size = size
        self._limits = limits
        self._running: set[Running] = set()
        self._calls = 0
        self._idle = asyncio.Event()
        self._closed = False

    async def run(
        self,
        command: str,
        *,
        timeout_s: float | None = None,
        stdin: bytes = b"",
        keep_bytes: int = KEEP_BYTES,
    ) -> ExecResult:
        shell = shell_command(command)
        if shell is None:
            return NO_COMMAND
        return await self.execute(
            shell.program,
            stdin=stdin,
            timeout_s=timeout_s,
            keep_bytes=keep_bytes,
            files=shell.files,
        )

    async def execute(
        self,
        program: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout_s: float | None = None,
        keep_bytes: int = KEEP_BYTES,
        files: Mapping[str, bytes] = NOTHING,
        environment: Mapping[str, str] | None = None,
    ) -> ExecResult:
        """Run a program, with `files` put into the sandbox.

        `environment` is added outside, where it must not be seen from within.
        """
        return await self._call(
            Command(
                program=program,
                seconds=self._seconds(timeout_s),
                keep_bytes=keep_bytes,
                stdin=stdin,
                files=files,
                environment=environment or {},
            )
        )

    async def read(self, path: str, *, max_bytes: int = 1024 * 1024) -> bytes:
        return await read_file(self.execute, path, max_bytes)

    async def write(self, path: str, data: bytes) -> None:
        await write_file(self.execute, path, data)

    async def transfer(
        self, command: str, *, source: Path | None = None, target: Path | None = None
    ) -> ExecResult:
        program = ["/bin/bash", "-c", command, "bash"]
        return await self._call(
            Command(program=program, seconds=self._seconds(None), source=source, target=target)
        )

    async def close(self) -> None:
        self._closed = True
        for running in self._running:
            running.stop(loss="it was closed")
        if self._calls:
            await self._idle.wait()

    @abstractmethod
    async def _carry_out(self, command: Command) -> ExecResult:
        """Start a command, `_finish` it, `_measure` the tree, and say how it ended.

        Nothing of it is left then, cancelled or not. Raises SandboxLost, or SandboxUnavailable
        where it could not be started.
        """

    async def _finish(self, running: Running, seconds: float, watchers: Watchers) -> None:
        """Wait for the end, or a limit."""
        own = [watch_time(running, seconds, self._limits.cpus)]
        if self._size:
            own.append(watch_tree(running, self._size))
        self._running.add(running)
        if self._closed:
            running.stop(loss="it was closed")
        try:
            with watched(running, [*own, *watchers]):
                await running.wait()
        finally:
            self._running.discard(running)

    async def _measure(self, running: Running) -> None:
        """The tree's size as the command left it, once nothing of it can go on writing."""
        limit = running.limit
        if self._size is None or limit not in (None, "disk"):
            return
        if await has_outgrown(running, self._size, anyway=limit == "disk"):
            running.limit = "disk"

    async def _call(self, command: Command) -> ExecResult:
        if self._closed:
            raise SandboxLost("the sandbox is closed")
        with self._counted():
            return await self._carry_out(command)

    def _seconds(self, wanted: float | None) -> float:
        """A caller may shorten the time, never lengthen it."""
        return self._limits.timeout_s if wanted is None else min(wanted, self._limits.timeout_s)

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        self._calls += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._calls -= 1
            if not self._calls:
                self._idle.set()
