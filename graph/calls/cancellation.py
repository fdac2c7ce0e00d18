"""Work that comes to its end though whoever waits for it is cancelled."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


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


async def acquire(
    work: Coroutine[Any, Any, T], give_back: Callable[[T], Awaitable[object] | None]
) -> T:
    """What has to be given back later, and is at once where the caller is cancelled meanwhile."""
    task = asyncio.create_task(work)
    if not await settle(task):
        return task.result()
    if not task.cancelled() and not task.exception():
        giving = give_back(task.result())
        if giving is not None:
            await settle(asyncio.ensure_future(giving))
    raise asyncio.CancelledError


async def end_tasks(*tasks: "asyncio.Future[Any]") -> None:
    """Cancel them all and return once they have ended, whatever of: nobody needs them any more."""
    for task in tasks:
        task.cancel()
    cancelled = False
    for task in tasks:
        cancelled = await settle(task) or cancelled
        if not task.cancelled():
            task.exception()
    if cancelled:
        raise asyncio.CancelledError


def uninterrupted(
    function: Callable[P, Coroutine[Any, Any, T]],
) -> Callable[P, Coroutine[Any, Any, T]]:
    """The function, each call of which is worked off to its end."""

    @wraps(function)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        return await to_the_end(function(*args, **kwargs))

    return call
