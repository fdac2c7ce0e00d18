"""What the sandboxes of this machine have in common: calls that end with it, limits watched."""

import asyncio
import logging
from abc import abstractmethod
from collections import deque
from collections.abc import Coroutine, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, Generic, Protocol, Unpack

from typing_extensions import TypeVar

from graph.calls import uninterrupted
from graph.errors import SandboxLost
from sandbox.backends.base.command import HELD, Command
from sandbox.backends.base.prestart import Prestart, Started
from sandbox.core.executing import ExecutingSandbox
from sandbox.core.output import BothEnds
from sandbox.core.protocol import KEEP_BYTES, ExecResult, LimitHit, Limits, RunOptions
from sandbox.core.shell_command import NOTHING
from sandbox.host.resource_usage import TreeSize
from sandbox.host.resource_watch import (
    Watched,
    is_outgrown,
    watch_time,
    watch_tree,
    watched,
)

log = logging.getLogger(__name__)

Watchers = Sequence[Coroutine[None, None, None]]
S_co = TypeVar("S_co", bound=Started, covariant=True, default=Started)

AHEAD: Final = 2
"""So many wait for commands: some come together, or sooner than one is ready."""
_OWN_WORK_S, _LONG_S = 0.005, 0.05
"""After a command's end its caller uses its result, then waits for the model; so long is a command
that is itself something to wait for."""


class Running(Watched, Protocol):
    """A command that runs."""

    limit: LimitHit | None

    async def wait(self) -> None: ...


class LocalSandbox(ExecutingSandbox, Generic[S_co]):
    """One tree. A command is started when `run` is called and gone when it returns.

    Once told that more follow, it starts what carries them out while others are at work. What is
    abstract here is what a backend of this machine has to implement. `size` is watched; `parts` are
    the tree's folders.
    """

    def __init__(self, size: TreeSize, limits: Limits, parts: Sequence[Path]) -> None:
        self._size = size
        self._limits = limits
        self._running: set[Running] = set()
        self._calls: set[asyncio.Future[None]] = set()
        self._closed = False
        self._parts = parts
        self._ready: deque[Prestart[S_co]] = deque()
        self._more_follow = False
        self._refilling: asyncio.TimerHandle | None = None
        self._leaving: set[asyncio.Future[Any]] = set()

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

    @uninterrupted
    async def close(self) -> None:
        self._closed = True
        if self._refilling:
            self._refilling.cancel()
        for ready in self._ready:
            await ready.end()
        for running in self._running:
            running.stop(loss="it was closed")
        for awaited in (self._calls, self._leaving):
            if awaited:
                await asyncio.wait(awaited)

    @abstractmethod
    async def _carry_out(self, command: Command) -> ExecResult:
        """Start a command, `_finish` it, `_measure` the tree, and say how it ended.

        Nothing of it is left then, cancelled or not. Raises SandboxLost, or SandboxUnavailable
        where it could not be started.
        """

    @abstractmethod
    async def _launch(self, command: Command) -> S_co:
        """Start a command, or with HELD what waits for one. Raises SandboxUnavailable."""

    async def _start(self, command: Command) -> S_co:
        """What carries out this command from now on."""
        self._more_follow |= command.more_follow
        taken = self._ready.popleft() if self._ready and command.is_bare else None
        self._refill_in(_LONG_S)
        started = await taken.take(command.program, *self._output(command)) if taken else None
        return started or await self._launch(command)

    def _refill_in(self, seconds: float) -> None:
        """Start what next commands will be, once those who want this one's end had theirs."""
        if self._refilling:
            self._refilling.cancel()
        if self._more_follow and not self._closed:
            self._refilling = asyncio.get_running_loop().call_later(seconds, self._refill)

    def _refill(self) -> None:
        self._refilling = None  # it holds this sandbox, which is ended when nobody has it
        while len(self._ready) < AHEAD:
            self._ready.append(Prestart(self, partial(self._launch, HELD), self._parts))

    def _let_leave(self, leaving: "asyncio.Future[Any]") -> None:
        """What is left of a command goes away meanwhile; `close` waits for it."""
        self._leaving.add(leaving)
        leaving.add_done_callback(self._left)

    def _left(self, leaving: "asyncio.Future[Any]") -> None:
        self._leaving.discard(leaving)
        if not leaving.cancelled() and (error := leaving.exception()):
            log.warning("what is left of a command could not be removed: %s", error)

    def _output(self, command: Command) -> tuple[BothEnds, int]:
        """What keeps a command's output, and how many bytes of it are too many."""
        return BothEnds(command.keep_bytes), max(self._limits.output_bytes, command.keep_bytes)

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
        if await is_outgrown(running, self._size, anyway=limit == "disk"):
            running.limit = "disk"
            self._size.allow_what_is()

    async def _call(self, command: Command) -> ExecResult:
        if self._closed:
            raise SandboxLost("the sandbox is closed")
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._calls.add(ended)
        try:
            return await self._carry_out(command)
        finally:
            self._refill_in(_OWN_WORK_S)
            self._calls.discard(ended)
            ended.set_result(None)

    def _seconds(self, wanted: float | None) -> float:
        """A caller may shorten the time, never lengthen it."""
        return self._limits.timeout_s if wanted is None else min(wanted, self._limits.timeout_s)
