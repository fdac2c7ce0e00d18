"""Who asks for a change of a run may be cancelled in the middle: the change is done whole."""

import asyncio

import pytest

from graph.values import Approval
from runs.model import LoggedEvent
from runs.sqlite.store import SqliteStore
from tests.standins.services.run_service import ME, House, log_of, seen, started, story
from tests.support.cut_short import cut_at_each_step

ENDED = "finished:succeeded"


async def test_a_run_goes_on_whose_plan_was_answered_by_somebody_who_left(house: House) -> None:
    async with house.open(pick_up=False) as service:
        run_id = await started(service, approve_plan=True)
        await seen(service, run_id, "plan.waiting")
        asking = asyncio.create_task(service.answer_plan(run_id, ME, Approval(decision="approve")))

        def leave(event: LoggedEvent) -> None:
            if event.type == "plan.answered":
                asking.cancel()

        service.observe(leave)
        await asyncio.wait((asking,))
        async with asyncio.timeout(60):
            assert story(await log_of(service, run_id))[-1] == ENDED


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 8, 13, 21, 34])
async def test_a_start_that_its_caller_left_is_done_whole(house: House, steps: int) -> None:
    async with house.open(pick_up=False) as service:
        asking = asyncio.create_task(started(service))
        for _ in range(steps):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait((asking,))
        (record,), _ = await service.list(ME)
        async with asyncio.timeout(60):
            assert story(await log_of(service, record.run_id))[-1] == ENDED


async def test_no_run_is_left_with_a_service_that_is_ended_at_whichever_step(house: House) -> None:
    """What is claimed as the service ends is driven or given back, and another service goes on."""
    ended = list[str]()

    async def serve() -> None:
        async with house.open(pick_up=False) as service:
            ended.append(await started(service))
            await asyncio.sleep(0)

    async for _ in cut_at_each_step(serve):
        pass
    store = SqliteStore(house.database)
    await store.open()
    try:
        left = [await store.get(run_id) for run_id in ended]
    finally:
        await store.close()
    assert [run.run_id for run in left if run and run.lease] == []
