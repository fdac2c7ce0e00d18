"""Several servers on one data folder and one database: any answers for every run."""

import asyncio
import signal

import pytest

from graph.errors import RunNotFound
from graph.values import Approval
from runs.service import RunService
from tests.standins.postgres_server import PostgresServer
from tests.standins.services.other_process import process_of
from tests.standins.services.run_service import ME, House, log_of, seen, started, story
from tests.support.polling import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def house(house: House, postgres: PostgresServer) -> House:
    house.url_file.write_text(postgres.new_database())
    return house


async def logged(service: RunService, run_id: str, word: str) -> None:
    """Return once a word is in the story of a run."""
    async with asyncio.timeout(60):
        while True:
            if word in story(await service._store.events(run_id, 0, 100)):
                return
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("clock_s", [0.0, 3600.0])
async def test_a_dead_servers_run_goes_on_in_another_from_its_checkpoint(
    house: House, clock_s: float
) -> None:
    """Also where the dead one's clock was an hour ahead: leases are by the database's."""
    house.pace.hold("code")
    async with house.open() as server, process_of(house, clock_s=clock_s) as (process, run_id):
        await house.pace.reached("code")
        await logged(server, run_id, "code1")
        process.send_signal(signal.SIGKILL)
        await process.wait()
        house.pace.let_go("code")
        async with asyncio.timeout(120), house.open(pick_up=False) as reader:
            events = await log_of(reader, run_id)
    told = story(events)
    lost = told.index("code:stopped")
    assert told[lost + 1 : lost + 4] == ["finished:interrupted", "resumed", "code2"]
    assert told[-1] == "finished:succeeded"
    assert house.pace.calls("plan") == 1
    assert len([event for event in events if event.type == "usage"]) == 3


async def test_any_server_watches_answers_cancels_and_removes(house: House) -> None:
    house.pace.hold("code")
    async with house.open() as one, house.open(pick_up=False) as other:
        run_id = await started(one, approve_plan=True)
        await seen(other, run_id, "plan.waiting")
        await other.answer_plan(run_id, ME, Approval(decision="approve", plan_id="plan-1"))
        await house.pace.reached("code")
        assert await other.cancel(run_id, ME) is True
        told = story(await log_of(other, run_id))
        assert told[-2:] == ["code:stopped", "finished:cancelled"]
        await until(lambda: not one._dispatch.driven)
        await other.delete(run_id, ME)
        with pytest.raises(RunNotFound):
            await one.get(run_id, ME)


async def test_a_living_servers_run_is_left_to_it_for_longer_than_a_lease(house: House) -> None:
    house.pace.hold("code")
    async with house.open() as one, house.open() as other:
        run_id = await started(one)
        await house.pace.reached("code")
        await asyncio.sleep(22.0)
        house.pace.let_go("code")
        assert "resumed" not in story(await log_of(other, run_id))
    assert house.pace.calls("code") == 1


async def test_a_server_that_closes_hands_its_runs_to_another(house: House) -> None:
    house.pace.hold("code")
    async with house.open() as other:
        async with house.open() as one:
            runs = [await started(service) for service in (one, other)]
            await house.pace.reached("code", 2)
        house.pace.let_go("code")
        for run_id in runs:
            assert story(await log_of(other, run_id))[-1] == "finished:succeeded"


async def test_runs_outlast_a_database_that_goes_away_and_comes_back(
    house: House, postgres: PostgresServer
) -> None:
    house.pace.hold("code")
    async with house.open() as service, house.open(pick_up=False) as reader:
        run_id = await started(service)
        await house.pace.reached("code")
        log = asyncio.create_task(log_of(reader, run_id))
        await asyncio.to_thread(postgres.stop, signal.SIGQUIT)
        house.pace.let_go("code")
        await asyncio.sleep(3.0)
        assert await service.ready() == "store_unavailable"
        await asyncio.to_thread(postgres.start)
        events = await log
        assert await service.ready() is None
    told = story(events)
    assert told[-1] == "finished:succeeded"
    assert "resumed" not in told
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
