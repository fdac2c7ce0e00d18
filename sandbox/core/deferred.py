"""Sandboxes that can be handed out while they, or better ones, are still being opened."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from graph.calls import settle
from graph.errors import CodingAgentError
from sandbox.core.forwarding import ForwardingSandbox
from sandbox.core.protocol import Sandbox

log = logging.getLogger(__name__)


class DeferredSandbox(ForwardingSandbox):
    """Opening begins at once; calls wait for its end, and raise what it raised."""

    def __init__(self, opening: Coroutine[Any, Any, Sandbox]) -> None:
        self._opening = asyncio.create_task(opening)

    async def close(self) -> None:
        """Whoever needed it has heard of its error; nobody needs it any more."""
        await _close(self._opening)

    @asynccontextmanager
    async def _using(self) -> AsyncIterator[Sandbox]:
        yield await asyncio.shield(self._opening)


class ReplacedSandbox(ForwardingSandbox):
    """One sandbox until a better one is open: no call waits for that.

    `find` is asked at each call whether there is one by now, and begins to open it.
    """

    def __init__(
        self, first: Sandbox, find: Callable[[], Awaitable[Coroutine[Any, Any, Sandbox] | None]]
    ) -> None:
        super().__init__(first)
        self._find = find
        self._opening: asyncio.Task[Sandbox] | None = None

    async def close(self) -> None:
        await super().close()
        if self._opening:
            await _close(self._opening)

    @asynccontextmanager
    async def _using(self) -> AsyncIterator[Sandbox]:
        if self._opening is None and (found := await self._find()):
            self._opening = asyncio.create_task(found)
            self._opening.add_done_callback(_tell_failure)
        opened = self._opening
        usable = opened and opened.done() and not opened.cancelled() and not opened.exception()
        yield opened.result() if opened and usable else self._inner


async def _close(opening: "asyncio.Task[Sandbox]") -> None:
    """Open it no further, and close what is open."""
    opening.cancel()
    cancelled = await settle(opening)
    with contextlib.suppress(CodingAgentError):
        if not opening.cancelled():
            await opening.result().close()
    if cancelled:
        raise asyncio.CancelledError


def _tell_failure(opening: "asyncio.Task[Sandbox]") -> None:
    if not opening.cancelled() and (error := opening.exception()):
        log.warning("A tree goes on without what was made ready: %s", error)
