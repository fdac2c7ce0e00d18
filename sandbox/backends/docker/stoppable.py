"""What comes to its end by itself or is stopped: a command in a container, of either kind."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from typing import Any

from sandbox.core.protocol import LimitHit


class Stoppable(ABC):
    """`stop` ends it at any time. `limit` and `loss` say why."""

    def __init__(self) -> None:
        self._stopped = asyncio.Event()
        self.limit: LimitHit | None = None
        self.loss = ""

    def stop(self, limit: LimitHit | None = None, loss: str = "it was stopped") -> None:
        """Kill everything, at a limit or for another reason; the first one counts."""
        if not self._stopped.is_set():
            self.limit, self.loss = limit, loss
            self._stopped.set()
            self._kill()

    @abstractmethod
    def _kill(self) -> None:
        """Kill everything of it, as far as it can be seen."""

    async def _wait_for(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Its task, which has ended: by itself, or since this was stopped or cancelled."""
        working = asyncio.create_task(work)
        stopping = asyncio.create_task(self._stopped.wait())
        try:
            await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (working, stopping):
                task.cancel()
            await asyncio.wait([working, stopping])
            self._stopped.set()
        return working
