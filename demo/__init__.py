"""The bundled sample, the replayed Claude and the local forge server."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any


async def run_demo(
    *, live: bool, diff: bool, draw: Callable[[AsyncIterator[dict[str, Any]]], Awaitable[int]]
) -> int:
    """Carry out the sample's request on this machine and show its pull request; an exit code.

    `diff`: with what it changes.
    """
    from demo.run import run_demo as run

    return await run(live=live, diff=diff, draw=draw)
