"""What is drawn moves on while nothing happens."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from graph.calls import end_tasks


@asynccontextmanager
async def ticking(tick: Callable[[], None], every_s: float) -> AsyncIterator[None]:
    """Call `tick` again and again while the block runs."""

    async def repeat() -> None:
        while True:
            await asyncio.sleep(every_s)
            tick()

    task = asyncio.create_task(repeat())
    try:
        yield
    finally:
        await end_tasks(task)
