"""How many commands were started in sandboxes, and why some were ended before their own end."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Unpack

from graph.errors import SandboxLost, SandboxUnavailable
from sandbox.core.forwarding import ForwardingSandbox
from sandbox.core.protocol import ExecResult, RunOptions, Sandbox


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


class MeteredSandbox(ForwardingSandbox):
    """Another sandbox, whose commands are counted; reading and writing a file is one each."""

    def __init__(self, inner: Sandbox, metrics: CommandMetrics) -> None:
        super().__init__(inner)
        self._metrics = metrics

    async def run(self, command: str, **options: Unpack[RunOptions]) -> ExecResult:
        result = await super().run(command, **options)
        if result.limit:
            self._metrics.killed[result.limit] += 1
        return result

    @asynccontextmanager
    async def _using(self) -> AsyncIterator[Sandbox]:
        with self._metrics.command():
            yield self._inner
