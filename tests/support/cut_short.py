"""Work that is cancelled at each step: every place where it waits, one after the other."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from functools import partial
from typing import Any


class _CutShort:
    """Work that is cancelled at its n-th wait, and at `again` waits that follow."""

    def __init__(self, work: Awaitable[Any], at: int, again: int) -> None:
        self._work = work
        self._waits = 0
        self._cuts = range(at, at + again + 1)
        self.came_to_it = False

    def __await__(self) -> Generator[Any, Any, Any]:
        task, steps = asyncio.current_task(), self._work.__await__()
        assert task
        resume: Callable[[], Any] = partial(next, steps)
        while True:
            try:
                awaited = resume()
            except StopIteration as end:
                return end.value
            self._waits += 1
            if self._waits in self._cuts:
                self.came_to_it = True
                task.cancel()
            try:
                yield awaited
            except BaseException as error:  # noqa: BLE001 - handed on, whatever it is
                resume = partial(steps.throw, error)
            else:
                resume = partial(next, steps)


async def cut_at_each_step(
    begin: Callable[[], Awaitable[Any]], *, again: int = 0
) -> AsyncIterator[int]:
    """Begin the work anew for each place where it waits, and give that place's number once the work
    is cancelled there and has ended; `again`: so often more while it tidies up.

    It has to end as cancelled: who is cancelled and goes on has lost it.
    """
    place = 0
    while True:
        place += 1
        cut = _CutShort(begin(), place, again)
        task = asyncio.create_task(_awaited(cut))
        await asyncio.wait((task,))
        if not cut.came_to_it:
            task.result()
            assert place > 1, "the work waits nowhere"
            return
        assert task.cancelled(), f"cancelled at wait {place}, it ended with {task!r}"
        yield place


async def _awaited(work: Awaitable[Any]) -> Any:
    return await work
