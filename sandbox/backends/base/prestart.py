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
from typing import Any, Final, Generic, Protocol, Self, TypeVar

from graph.calls import end_tasks, settle, to_the_end
from graph.errors import SandboxError
from sandbox.core.output import BothEnds
from sandbox.host.executors import on_worker

IDLE_S: Final = 60.0
"""How long it waits for a command."""
START_S: Final = 30.0
"""How long a command waits for its start, before another one is started for it."""


@dataclass(frozen=True)
class Mounted:
    """The folders that a sandbox was started on: under their names others may lie by now."""

    identities: Mapping[Path, object]

    @classmethod
    def look(cls, paths: Iterable[Path]) -> Self:
        """Blocks."""
        return cls({path: _identify(path) for path in paths})

    def are_there(self) -> bool:
        """Blocks."""
        return all(_identify(path) == found for path, found in self.identities.items())


class Started(Protocol):
    """What waits for its command, within its limits."""

    async def is_let_in(self, then: "asyncio.Future[None]", within_s: float) -> bool:
        """Whether it is at its start when it is wanted, which `then` says within a time."""
        ...

    def begin(self, kept: BothEnds, most: int) -> None:
        """Count time and output from here on."""
        ...

    def give(self, program: Sequence[str]) -> None:
        """Have what waits become a program."""
        ...

    async def discard(self) -> None:
        """End what is not needed."""
        ...


S = TypeVar("S", bound=Started)


class Prestart(Generic[S]):
    """Starts one sandbox and holds it until it is taken, ended, or of no use any more."""

    def __init__(
        self,
        owner: object,
        start: Callable[[], Awaitable[S]],
        mounts: Sequence[Path],
        *,
        idle_s: float = IDLE_S,
        start_s: float = START_S,
    ) -> None:
        """It is ended when nobody has its `owner` any more, which `start` may be a method of.

        Where another folder lies in the place of one that it `mounts`, it is of no use. It waits
        `idle_s` for its command, which waits `start_s` for it.
        """
        self._start_s = start_s
        loop = asyncio.get_running_loop()
        self._mounted: asyncio.Future[Mounted] = on_worker(partial(Mounted.look, mounts))
        self._taken: asyncio.Future[None] = loop.create_future()
        self._task = asyncio.create_task(_hold(start, self._mounted, self._taken, idle_s))
        forgotten = weakref.finalize(owner, _cancel_soon, loop, self._task)
        forgotten.atexit = False
        self._task.add_done_callback(lambda _: forgotten.detach())

    async def take(self, program: Sequence[str], kept: BothEnds, most: int) -> S | None:
        """What was started, a program by now; None where that did not come to it.

        It may put out `most` bytes, of which some are `kept`.
        """
        self._taken.set_result(None)
        cancelled = False
        try:
            await asyncio.wait([self._task], timeout=self._start_s)
        except asyncio.CancelledError:
            cancelled = True
        self._task.cancel()  # where it has not come to its start
        cancelled = await settle(self._task) or cancelled
        started = None if self._task.cancelled() else self._task.result()
        if started and not cancelled:
            looking = on_worker(self._mounted.result().are_there)
            cancelled = await settle(looking)
            if not cancelled and looking.result():
                started.begin(kept, most)
                started.give(program)
                return started
        if started:
            await to_the_end(started.discard())
        if cancelled:
            raise asyncio.CancelledError
        return None

    async def end(self) -> None:
        """Return when nothing of it is left."""
        await end_tasks(self._task)


async def _hold(
    start: Callable[[], Awaitable[S]],
    mounted: "asyncio.Future[Mounted]",
    taken: "asyncio.Future[None]",
    idle_s: float,
) -> S | None:
    """Where it fails, who needs it tries again and is told."""
    await mounted
    starting = start()
    del start  # and with it the owner, once it is started
    with contextlib.suppress(SandboxError):
        started = await starting
        is_wanted = False
        try:
            is_wanted = await started.is_let_in(taken, idle_s)
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


def _cancel_soon(loop: asyncio.AbstractEventLoop, task: "asyncio.Task[Any]") -> None:
    """Called from any thread."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(task.cancel)
