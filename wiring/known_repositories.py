"""Which repositories the forge lists, remembered for a while."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from graph.errors import CodingAgentError

log = logging.getLogger(__name__)

MOST_REPOSITORIES: Final = 100
_FRESH_S: Final = 300.0
_TIMEOUT_S: Final = 60.0


class KnownRepositories:
    """`ask` gives OWNER/NAME of each, or raises a CodingAgentError."""

    def __init__(self, ask: Callable[[], Awaitable[Sequence[str]]]) -> None:
        self._ask = ask
        self._asking = asyncio.Lock()
        self._names: tuple[str, ...] = ()
        self._asked_at: float | None = None

    async def __call__(self) -> tuple[str, ...]:
        """OWNER/NAME of each, the last pushed first; none where the forge does not tell."""
        async with self._asking:
            if self._asked_at is None or time.monotonic() - self._asked_at > _FRESH_S:
                self._names = await self._look_up()
                self._asked_at = time.monotonic()
            return self._names

    async def _look_up(self) -> tuple[str, ...]:
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                return tuple(await self._ask())
        except (CodingAgentError, TimeoutError) as error:
            log.info("the forge lists no repositories: %s", type(error).__name__)
            return ()
