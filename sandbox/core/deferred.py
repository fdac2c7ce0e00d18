"""A sandbox that can be handed out while it is still being opened."""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

from graph.errors import CodingAgentError
from sandbox.core.protocol import ExecResult, Sandbox


class DeferredSandbox(Sandbox):
    """Opening begins at once; calls wait for its end, and raise what it raised."""

    def __init__(self, opening: Coroutine[Any, Any, Sandbox]) -> None:
        self._opening = asyncio.create_task(opening)

    async def run(
        self,
        command: str,
        *,
        timeout_s: float | None = None,
        stdin: bytes = b"",
        keep_bytes: int = 64 * 1024,
    ) -> ExecResult:
        sandbox = await asyncio.shield(self._opening)
        return await sandbox.run(command, timeout_s=timeout_s, stdin=stdin, keep_bytes=keep_bytes)

    async def read(self, path: str, *, max_bytes: int = 1024 * 1024) -> bytes:
        return await (await asyncio.shield(self._opening)).read(path, max_bytes=max_bytes)

    async def write(self, path: str, data: bytes) -> None:
        await (await asyncio.shield(self._opening)).write(path, data)

    async def close(self) -> None:
        """Whoever needed it has heard of its error; nobody needs it any more."""
        self._opening.cancel()
        with contextlib.suppress(asyncio.CancelledError, CodingAgentError):
            await (await self._opening).close()
