"""Work in the background that must not end unnoticed."""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable
from typing import Final

from graph import RetryPolicy

log = logging.getLogger(__name__)

_POLICY: Final = RetryPolicy(
    attempts=sys.maxsize, first_s=0.5, longest_s=60.0, total_s=float("inf")
)
_SOUND_S: Final = 300.0
"""Work that went on for so long begins again with a short pause."""


async def supervise(
    name: str, work: Callable[[], Awaitable[None]], policy: RetryPolicy = _POLICY
) -> None:
    """Do `work` until it returns or is cancelled. An error is logged, and the work begun again."""
    loop, pauses = asyncio.get_running_loop(), policy.pauses()
    while True:
        begun = loop.time()
        try:
            return await work()
        except Exception as error:
            if is_cancelled():  # a library may make an error of it
                raise asyncio.CancelledError from error
            if loop.time() - begun > _SOUND_S:
                pauses.reset()
            wait = pauses.next() or policy.longest_s
            log.exception("%s ended by an error; it begins again in %.1f s", name, wait)
        await asyncio.sleep(wait)


def is_cancelled() -> bool:
    """Whether this task was asked to end, though no CancelledError may have come through."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
