"""Which repositories the forge lists, remembered for a while."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from forge.core import Forge
from graph.errors import CodingAgentError

log = logging.getLogger(__name__)

_FRESH_S: Final = 300.0
_TIMEOUT_S: Final = 20.0
_MOST: Final = 100


class KnownRepositories:
    """`forge` gives the forge."""

    def __init__(self, forge: Callable[[], Forge]) -> None:
        self._forge = forge
        self._asking = asyncio.Lock()
        self._names: tuple[str, ...] = ()
        self._asked_at: float | None = None

    async def __call__(self) -> tuple[str, ...]:
        """OWNER/NAME of each, the last pushed first; none where the forge does not tell."""
        async with self._asking:
            if self._asked_at is None or time.monotonic() - self._asked_at > _FRESH_S:
                self._names = await self._ask()
                self._asked_at = time.monotonic()
            return self._names

    async def _ask(self) -> tuple[str, ...]:
        forge = self._forge()
        if not forge.access.credentials.present:
            return ()
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                return tuple(await forge.repository_names(_MOST))
        except (CodingAgentError, TimeoutError) as error:
            log.info("the forge lists no repositories: %s", type(error).__name__)
            return ()
