"""The next command's sandbox, started while nobody waits for it.

It is the line of every other command, up to the command itself: that is given to it when it is
known. It has run nothing of anyone's until then, and it is used once.
"""

import asyncio
import contextlib
import weakref
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Self

from graph.calls import settle, to_the_end
from graph.errors import SandboxError
from sandbox.backends.bubblewrap.execution import Execution
from sandbox.core.output import BothEnds
from sandbox.host import cgroup
from sandbox.host.executors import on_worker

IDLE_S: Final = 60.0
"""How long it waits for a command."""


@dataclass(frozen=True)
class Mounted:
    """The folders that a sandbox was started on: under their names others may lie by now."""

    identities: Mapping[Path, object]

    @classmethod
    def look(cls, paths: Iterable[Path]) -> Self:
        """Blocks."""
        return cls({path: _identify(path) for path in paths})

    def are_there(self) -> bool:
        """Three looks at a disk of this machine, which take less than to have a thread do it."""
        return all(_identify(path) == found for path, found in self.identities.items())


@dataclass(frozen=True)
class Started:
    """What carries out a command, and the control group that limits it."""

    execution: Execution
    group: cgroup.Group | None

    def give(self, program: Sequence[str]) -> None:
        """Have what waits become a program; meanwhile its group gets its weight."""
        self.execution.give(program)
        if self.group:
            on_worker(self.group.wake)

    def end(self) -> "asyncio.Future[cgroup.Usage]":
        """Remove the group of what has ended: nobody need wait for that."""
        return on_worker(self.group.end if self.group else cgroup.Usage)

    async def discard(self) -> None:
        """End what is not needed, and remove its group."""
        self.execution.stop()
        try:
            await self.execution.wait()
        finally:
            await asyncio.shield(self.end())


class Prestart:
    """Starts one sandbox and holds it until it is taken, ended, or of no use any more."""

    def __init__(
        self,
        owner: object,
        start: Callable[[], Awaitable[Started]],
        mounts: Sequence[Path],
        *,
        idle_s: float = IDLE_S,
    ) -> None:
        """It is ended when nobody has its `owner` any more, which `start` may be a method of.

        Where another folder lies in the place of one that it `mounts`, it is of no use. It waits
        `idle_s` for its command.
        """
        loop = asyncio.get_running_loop()
        self._mounted: asyncio.Future[Mounted] = on_worker(partial(Mounted.look, mounts))
        self._taken: asyncio.Future[None] = loop.create_future()
        self._task = asyncio.create_task(_hold(start, self._mounted, self._taken, idle_s))
        forgotten = weakref.finalize(owner, _cancel_soon, loop, self._task)
        forgotten.atexit = False
        self._task.add_done_callback(lambda _: forgotten.detach())

    async def take(self, program: Sequence[str], kept: BothEnds, most: int) -> Started | None:
        """What was started, a program by now; None where that did not come to it.

        It may put out `most` bytes, of which some are `kept`.
        """
        self._taken.set_result(None)
        cancelled = await settle(self._task)
        started = None if self._task.cancelled() else self._task.result()
        if started and not cancelled:
            started.execution.begin(kept, most)
            if self._mounted.result().are_there():
                started.give(program)
                return started
        if started:
            await to_the_end(started.discard())
        if cancelled:
            raise asyncio.CancelledError
        return None

    async def end(self) -> None:
        """Return when nothing of it is left."""
        self._task.cancel()
        await settle(self._task)


async def _hold(
    start: Callable[[], Awaitable[Started]],
    mounted: "asyncio.Future[Mounted]",
    taken: "asyncio.Future[None]",
    idle_s: float,
) -> Started | None:
    """Where it fails, who needs it tries again and is told."""
    await mounted
    starting = start()
    del start  # and with it the owner, once it is started
    with contextlib.suppress(SandboxError):
        started = await starting
        is_wanted = False
        try:
            is_wanted = await started.execution.is_let_in(taken, idle_s)
        finally:
            if not is_wanted:
                await to_the_end(started.discard())
        return started if is_wanted else None
    return None


def _identify(path: Path) -> object:
    """None where there is nothing."""
    try:
        info = path.stat()
    except OSError:
        return None
    return info.st_dev, info.st_ino


def _cancel_soon(loop: asyncio.AbstractEventLoop, task: "asyncio.Task[Started | None]") -> None:
    """Called from any thread."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(task.cancel)
