"""How many commands were started in sandboxes, and why some were ended before their own end."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from graph.errors import SandboxLost, SandboxUnavailable
from sandbox.core.protocol import ExecResult, Sandbox


@dataclass
class CommandMetrics:
    """Since this process began. `killed` is by limit, or `lost`, `cancelled`, `not_started`."""

    started: int = 0
    killed: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def command(self) -> Iterator[None]:
        """Count one command that is carried out in the block."""
        self.started += 1
        try:
            yield
        except asyncio.CancelledError:
            self.killed["cancelled"] += 1
            raise
        except SandboxLost:
            self.killed["lost"] += 1
            raise
        except SandboxUnavailable:
            self.started -= 1
            self.killed["not_started"] += 1
            raise


class MeteredSandbox(Sandbox):
    """Another sandbox, whose commands are counted; reading and writing a file is one each."""

    def __init__(self, inner: Sandbox, metrics: CommandMetrics) -> None:
        self._inner = inner
        self._metrics = metrics

    async def run(
        self,
        command: str,
        *,
        timeout_s: float | None = None,
        stdin: bytes = b"",
        keep_bytes: int = 64 * 1024,
    ) -> ExecResult:
        with self._metrics.command():
            result = await self._inner.run(
                command, timeout_s=timeout_s, stdin=stdin, keep_bytes=keep_bytes
            )
        if result.limit:
            self._metrics.killed[result.limit] += 1
        return result

    async def read(self, path: str, *, max_bytes: int = 1024 * 1024) -> bytes:
        with self._metrics.command():
            return await self._inner.read(path, max_bytes=max_bytes)

    async def write(self, path: str, data: bytes) -> None:
        with self._metrics.command():
            await self._inner.write(path, data)

    async def close(self) -> None:
        await self._inner.close()
