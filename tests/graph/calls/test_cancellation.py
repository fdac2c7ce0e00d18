"""What is taken is given back, and what is ended has ended, whoever is cancelled at which step."""

import asyncio

import pytest

from graph.calls import acquire, end_tasks, to_the_end
from tests.support.cut_short import cut_at_each_step


@pytest.mark.parametrize("again", [0, 2])
@pytest.mark.parametrize("lent", [False, True])
async def test_what_was_acquired_is_given_back(again: int, *, lent: bool) -> None:
    """Taking takes a while, and so does giving back."""
    held = set[int]()

    async def take() -> int:
        await asyncio.sleep(0.01)
        held.add(1)
        await asyncio.sleep(0)
        return 1

    async def give_back(one: int) -> None:
        await asyncio.sleep(0.01)
        held.remove(one)

    async def use() -> None:
        one = await acquire(take(), give_back if lent else held.remove)
        await to_the_end(give_back(one))

    async for _ in cut_at_each_step(use, again=again):
        assert not held
    assert not held


async def test_what_cannot_be_acquired_says_so() -> None:
    async def fail() -> int:
        await asyncio.sleep(0)
        raise OSError("none is left")

    with pytest.raises(OSError, match="none"):
        await acquire(fail(), print)
    taking = asyncio.create_task(acquire(fail(), print))
    await asyncio.sleep(0)
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking


@pytest.mark.parametrize("again", [0, 1, 2])
async def test_all_tasks_have_ended_and_the_callers_own_cancellation_is_not_lost(
    again: int,
) -> None:
    tidied = list[str]()

    async def work(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            tidied.append(name)

    async def end() -> None:
        tasks = [asyncio.create_task(work(name)) for name in "ab"]
        try:
            await asyncio.sleep(0)
        finally:
            await end_tasks(*tasks)
        await asyncio.sleep(0)

    async for _ in cut_at_each_step(end, again=again):
        assert sorted(tidied) == ["a", "b"]
        tidied.clear()
