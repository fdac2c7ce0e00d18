"""A tree's warm containers: made, lent to one command each, kept for the next."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

from graph.calls import end_tasks, to_the_end
from graph.errors import SandboxLost
from sandbox.backends.docker.warm_container import WarmContainer
from sandbox.host.executors import on_worker

log = logging.getLogger(__name__)

KEPT: Final = 2
IDLE_S, SPARE_S = 300.0, 60.0
"""How long one is kept without a command, of more than `KEPT` the later ones."""
PATIENCE_S: Final = 0.1
"""Where others run, most commands get a container sooner from one of them than a new one."""

_Taken = WarmContainer | None


class WarmContainers:
    """`make` gives None where there cannot be one."""

    def __init__(self, make: Callable[[], Awaitable[_Taken]]) -> None:
        self._make = make
        self._idle: dict[WarmContainer, asyncio.TimerHandle] = {}
        self._lent: set[WarmContainer] = set()
        self._making: set[asyncio.Task[None]] = set()
        self._waiting: deque[asyncio.Future[_Taken]] = deque()
        self._guards: dict[WarmContainer, asyncio.Task[None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self.is_refused = False

    async def take(self) -> WarmContainer | None:
        """One that nobody else has, until it is given back or removed. None where there is none.

        Raises SandboxError.
        """
        while not self.is_refused:
            if self._closed:
                raise SandboxLost("the sandbox is closed")
            container = self._lend() if self._idle else await self._wait_for_one()
            if container is None:
                break
            try:
                is_there = await on_worker(container.mounted.are_there)
            except asyncio.CancelledError:
                self.give_back(container)
                raise
            if is_there and container.is_usable:
                return container
            self.let_go(container)
        return None

    def give_back(self, container: WarmContainer) -> None:
        self._lent.discard(container)
        if self._closed or not container.is_usable:
            self.let_go(container)
        else:
            self._keep(container)

    def let_go(self, container: WarmContainer) -> None:
        """It is removed meanwhile; `close` waits for it."""
        self._lent.discard(container)
        if guard := self._guards.get(container):
            guard.cancel()

    async def remove(self, container: WarmContainer) -> None:
        """Return when nothing of it is left. Raises SandboxUnavailable: nobody can tell."""
        self._lent.discard(container)
        if guard := self._guards.get(container):
            await end_tasks(guard)
            if not guard.cancelled():
                guard.result()

    def make_ahead(self) -> None:
        while not self._closed and len(self._idle) + len(self._lent) + len(self._making) < KEPT:
            self._begin()

    def shut(self) -> None:
        """End what nobody uses; what is lent ends when it is given back."""
        self._closed = True
        for waiter in self._waiting:
            _settle(waiter, error=SandboxLost("the sandbox is closed"))
        for making in self._making:
            making.cancel()
        while self._idle:
            self.let_go(self._lend())

    async def close(self) -> None:
        self.shut()
        while self._making or self._guards:
            left: set[asyncio.Future[Any]] = {*self._making, *self._guards.values()}
            await asyncio.wait(left)

    def abandon(self) -> None:
        """Nobody has their sandbox any more. Called from any thread."""
        if self._loop and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.shut)

    async def _wait_for_one(self) -> WarmContainer | None:
        waiter: asyncio.Future[_Taken] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            if self._lent:
                await asyncio.wait([waiter], timeout=PATIENCE_S)
            while not waiter.done() and len(self._making) < len(self._waiting):
                self._begin()
            return await waiter
        except asyncio.CancelledError:
            has_one = waiter.done() and not waiter.cancelled() and not waiter.exception()
            if has_one and (container := waiter.result()):
                self.give_back(container)
            raise
        finally:
            if waiter in self._waiting:
                self._waiting.remove(waiter)

    def _begin(self) -> None:
        self._loop = asyncio.get_running_loop()
        task = asyncio.create_task(self._hold())
        self._making.add(task)
        task.add_done_callback(self._ended)

    async def _hold(self) -> None:
        """Make one, and remove it once it is let go, at the end of the event loop, or where nothing
        is heard of it: one task for all of it, which nobody can cancel in between."""
        container = await self._make()
        task = asyncio.current_task()
        assert task, "it is one"
        self._making.discard(task)
        if container is None:
            self.is_refused = True
            for waiter in self._waiting:
                _settle(waiter, None)
            return
        self._guards[container] = task
        self._lent.add(container)
        self.give_back(container)
        try:
            await container.server.ended()
        except asyncio.CancelledError:
            self._closed |= container in self._idle  # who lets go has taken it from there
            raise
        finally:
            try:
                await to_the_end(container.end())
            finally:
                del self._guards[container]

    def _ended(self, task: "asyncio.Task[None]") -> None:
        was_making = task in self._making
        self._making.discard(task)
        error = None if task.cancelled() else task.exception()
        if error and not was_making:
            log.warning("A container could not be removed. %s", error)
        elif error and self._waiting:  # else who needs one tries again and is told
            _settle(
                self._waiting.popleft(), error=None if isinstance(error, SandboxLost) else error
            )

    def _keep(self, container: WarmContainer) -> None:
        seconds = IDLE_S if len(self._idle) < KEPT else SPARE_S
        timer = asyncio.get_running_loop().call_later(seconds, self._expire, container)
        self._idle[container] = timer
        while self._idle and self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                _settle(waiter, self._lend())

    def _lend(self) -> WarmContainer:
        """The one that was used last: others may come to the end of their time."""
        container, timer = self._idle.popitem()
        timer.cancel()
        self._lent.add(container)
        return container

    def _expire(self, container: WarmContainer) -> None:
        del self._idle[container]
        self.let_go(container)


def _settle(
    waiter: "asyncio.Future[Any]", result: _Taken = None, *, error: BaseException | None = None
) -> None:
    if waiter.done():
        return
    if error:
        waiter.set_exception(error)
    else:
        waiter.set_result(result)
