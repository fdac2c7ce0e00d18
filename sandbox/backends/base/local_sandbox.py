"""What the sandboxes of this machine have in common: calls that end with it, limits watched."""

import asyncio
from abc import abstractmethod
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Protocol, Unpack

from graph.errors import SandboxLost
from sandbox.backends.base.command import Command
from sandbox.core.executing import ExecutingSandbox
from sandbox.core.protocol import KEEP_BYTES, ExecResult, LimitHit, Limits, RunOptions
from sandbox.core.shell_command import NOTHING
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


class LocalSandbox(ExecutingSandbox):
    """One tree. A command is started when `run` is called and gone when it returns.

    What is abstract here is what a backend of this machine has to implement. `size` is watched.
    """

    def __init__(self, size: TreeSize, limits: Limits) -> None:
        self._size = size
        self._limits = limits
        self._running: set[Running] = set()
        self._calls: set[asyncio.Future[None]] = set()
        self._closed = False

    async def execute(
        self,
        program: Sequence[str],
        *,
        files: Mapping[str, bytes] = NOTHING,
        environment: Mapping[str, str] | None = None,
        **options: Unpack[RunOptions],
    ) -> ExecResult:
        """`environment` is added outside, where it must not be seen from within."""
        return await self._call(
            Command(
                program=program,
                seconds=self._seconds(options.get("timeout_s")),
                keep_bytes=options.get("keep_bytes", KEEP_BYTES),
                stdin=options.get("stdin", b""),
                files=files,
                environment=environment or {},
                more_follow=options.get("more_follow", False),
            )
        )

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
            await asyncio.wait(self._calls)

    @abstractmethod
    async def _carry_out(self, command: Command) -> ExecResult:
        """Start a command, `_finish` it, `_measure` the tree, and say how it ended.

        Nothing of it is left then, cancelled or not. Raises SandboxLost, or SandboxUnavailable
        where it could not be started.
        """

    async def _finish(self, running: Running, seconds: float, watchers: Watchers) -> None:
        """Wait for the end, or a limit."""
        own = [watch_time(running, seconds, self._limits.cpus), watch_tree(running, self._size)]
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
        if limit not in (None, "disk"):
            return
        if await has_outgrown(running, self._size, anyway=limit == "disk"):
            running.limit = "disk"

    async def _call(self, command: Command) -> ExecResult:
        if self._closed:
            raise SandboxLost("the sandbox is closed")
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._calls.add(ended)
        try:
            return await self._carry_out(command)
        finally:
            self._calls.discard(ended)
            ended.set_result(None)

    def _seconds(self, wanted: float | None) -> float:
        """A caller may shorten the time, never lengthen it."""
        return self._limits.timeout_s if wanted is None else min(wanted, self._limits.timeout_s)
