"""The slot of a run that was asked for here: kept while the store is asked something."""

import asyncio
from pathlib import Path

import pytest

from runs.model.day_budget import NO_DAY_LIMITS, DayLimits
from runs.model.run import Run
from runs.sqlite.store import SqliteStore
from runs.store.protocol import Decide
from tests.standins.services.run_service import ME, House, log_of, started, story
from tests.support.polling import until

HELD = "a call that the store lets wait"


class HeldStore(SqliteStore):
    """Lets the calls of one task wait until they are let go; `rounds`: looks of the dispatcher."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.rounds = 0
        self.free = asyncio.Event()
        self.free.set()
        self.answers = asyncio.Event()
        """Whether it says which runs are due."""
        self.answers.set()

    async def due(self, now: float, dead_services: frozenset[str], limit: int) -> list[str]:
        await self.answers.wait()
        return await super().due(now, dead_services, limit)

    async def cancelling(self) -> list[str]:
        self.rounds += 1
        return await super().cancelling()

    async def transact(
        self, run_id: str, decide: Decide, day: DayLimits = NO_DAY_LIMITS
    ) -> Run | None:
        if (task := asyncio.current_task()) and task.get_name() == HELD:
            await self.free.wait()
        return await super().transact(run_id, decide, day)


@pytest.mark.slow
@pytest.mark.parametrize("pick_up", [True, False])
async def test_a_resumed_run_keeps_the_slot_that_was_reserved_for_it(
    house: House, *, pick_up: bool
) -> None:
    house.store = HeldStore
    house.pace.hold("code")
    async with house.open(pick_up=pick_up, max_concurrent=1) as service:
        store = service._store
        assert isinstance(store, HeldStore)
        run_id = await started(service)
        await house.pace.reached("code")
        await service.cancel(run_id, ME)
        await log_of(service, run_id)
        await until(lambda: not service._dispatch.driven)
        store.free.clear()
        resuming = asyncio.create_task(service.resume(run_id, ME), name=HELD)
        seen = store.rounds
        await until(lambda: store.rounds > seen + 1)
        other = await started(service)
        store.free.set()
        await resuming
        house.pace.let_go("code")
        assert story(await log_of(service, run_id))[-1] == "finished:succeeded"
        assert story(await log_of(service, other))[:2] == ["queued", "started"]


async def test_a_slot_that_is_taken_while_the_store_is_asked_for_due_runs_is_no_other_runs(
    house: House,
) -> None:
    house.store = HeldStore
    house.pace.hold("code")
    async with house.open(max_concurrent=1) as service:
        store = service._store
        assert isinstance(store, HeldStore)
        store.answers.clear()
        seen = store.rounds
        await until(lambda: store.rounds > seen)
        ids = [await started(service) for _ in range(2)]
        store.answers.set()
        await house.pace.reached("code")
        seen = store.rounds
        await until(lambda: store.rounds > seen + 1)
        assert service._dispatch.driven == 1
        house.pace.let_go("code")
        stories = [story(await log_of(service, run_id)) for run_id in ids]
        assert [each[0] for each in stories] == ["started", "queued"]
        assert {each[-1] for each in stories} == {"finished:succeeded"}
