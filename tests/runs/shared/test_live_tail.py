"""Who reads the tail ends when it is told to, whatever the way to the tail makes of that."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from graph.errors import StoreUnavailable
from runs.shared.live_tail import TailFollower
from runs.store.supervision import supervise
from tests.support.polling import until


class DeafTail:
    """Makes an error of being cancelled, as a library on the way may do; `left` counts those."""

    def __init__(self, *, slow_s: float = 0.0) -> None:
        self.reading = 0
        self.left = 0
        self._slow_s = slow_s

    async def put(self, partition: str, item: Any) -> None: ...

    async def clear(self, partition: str) -> None: ...

    async def follow(self, partition: str, silent_s: float) -> AsyncGenerator[Any, None]:
        self.reading += 1
        try:
            await asyncio.sleep(silent_s)
        except asyncio.CancelledError as error:
            if self._slow_s:
                await asyncio.sleep(self._slow_s)
            self.left += 1
            raise StoreUnavailable("The call was cut.") from error
        yield []


def nothing(_: str) -> None: ...


async def test_a_reader_ends_though_its_end_became_an_error() -> None:
    tail = DeafTail()
    follower = TailFollower(tail, nothing)
    before = asyncio.all_tasks()
    with follower.watch("r1"):
        await until(lambda: tail.reading == 1)
    await until(lambda: tail.left == 1)
    await until(lambda: asyncio.all_tasks() <= before)
    assert tail.reading == 1
    await follower.close()


async def test_closing_waits_for_readers_that_nobody_watches_any_more() -> None:
    tail = DeafTail(slow_s=0.2)
    follower = TailFollower(tail, nothing)
    with follower.watch("r1"):
        await until(lambda: tail.reading == 1)
    await follower.close()
    assert tail.left == 1


async def test_who_is_cancelled_while_closing_is_cancelled() -> None:
    tail = DeafTail(slow_s=0.3)
    follower = TailFollower(tail, nothing)
    with follower.watch("r1"):
        await until(lambda: tail.reading == 1)
        closing = asyncio.create_task(follower.close())
        await asyncio.sleep(0.1)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        assert tail.left == 1


async def test_work_that_makes_an_error_of_its_end_is_not_begun_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def work() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError as error:
            raise RuntimeError("cut") from error

    task = asyncio.create_task(supervise("the work", work))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)
    assert not caplog.records
