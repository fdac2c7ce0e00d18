"""Closes what a stopped attempt may have left open."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CleanUp:
    """Calls `on_end`."""

    on_end: Callable[[str], Awaitable[None]]

    async def __call__(self, run_id: str) -> None:
        """The run has its end already, whatever comes of this."""
        try:
            await self.on_end(run_id)
        except Exception:
            log.exception("run %s left something behind", run_id)
