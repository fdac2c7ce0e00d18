"""Threads for what may block, so that the event loop never does, and what must come to its end."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

_STARTER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sandbox-start")
"""bubblewrap dies with the thread that started it: this one lives as long as the process."""

_WORKERS = ThreadPoolExecutor(max_workers=4, thread_name_prefix="sandbox")
"""Not asyncio's own, which others may fill with calls that take long."""


def on_starter(function: Callable[[], T]) -> "asyncio.Future[T]":
    """Call what starts processes."""
    return asyncio.get_running_loop().run_in_executor(_STARTER, function)


def on_worker(function: Callable[[], T]) -> "asyncio.Future[T]":
    """Call what takes milliseconds."""
    return asyncio.get_running_loop().run_in_executor(_WORKERS, function)


async def settle(future: "asyncio.Future[Any]") -> bool:
    """Wait until it is done, whatever happens; whether the caller was cancelled meanwhile."""
    cancelled = False
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:
            cancelled = True
    return cancelled


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Its result, awaited even where the caller is cancelled; that is raised after it."""
    task = asyncio.create_task(work)
    if await settle(task):
        task.exception()
        raise asyncio.CancelledError
    return task.result()
