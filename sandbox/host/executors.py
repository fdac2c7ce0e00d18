"""Threads for what may block, so that the event loop never does."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

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
