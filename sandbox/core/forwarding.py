"""A sandbox that hands its calls on to another."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Unpack

from sandbox.core.protocol import ExecResult, RunOptions, Sandbox


class ForwardingSandbox(Sandbox):
    """Another sandbox; what a subclass changes about it goes around or before its calls."""

    def __init__(self, inner: Sandbox) -> None:
        self._inner = inner

    async def run(self, command: str, **options: Unpack[RunOptions]) -> ExecResult:
        async with self._using() as sandbox:
            return await sandbox.run(command, **options)

    async def read(self, path: str, *, max_bytes: int = 1024 * 1024) -> bytes:
        async with self._using() as sandbox:
            return await sandbox.read(path, max_bytes=max_bytes)

    async def write(self, path: str, data: bytes) -> None:
        async with self._using() as sandbox:
            await sandbox.write(path, data)

    async def close(self) -> None:
        await self._inner.close()

    @asynccontextmanager
    async def _using(self) -> AsyncIterator[Sandbox]:
        """The other sandbox, for one call."""
        yield self._inner
