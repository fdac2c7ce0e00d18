"""A sandbox that can be handed out while it is still being opened."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from graph.errors import CodingAgentError
from sandbox.core.forwarding import ForwardingSandbox
from sandbox.core.protocol import Sandbox


class DeferredSandbox(ForwardingSandbox):
    """Opening begins at once; calls wait for its end, and raise what it raised."""

    def __init__(self, opening: Coroutine[Any, Any, Sandbox]) -> None:
        self._opening = asyncio.create_task(opening)

    async def close(self) -> None:
        """Whoever needed it has heard of its error; nobody needs it any more."""
        self._opening.cancel()
        with contextlib.suppress(asyncio.CancelledError, CodingAgentError):
            await (await self._opening).close()

    @asynccontextmanager
    async def _using(self) -> AsyncIterator[Sandbox]:
        yield await asyncio.shield(self._opening)
