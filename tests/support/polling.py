"""Waiting for what another process does."""

import asyncio
from collections.abc import Callable


async def until(holds: Callable[[], bool], within_s: float = 60.0) -> None:
    """Return once it holds. Raises TimeoutError."""
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110 - nothing in this process tells of it
            await asyncio.sleep(0.01)
