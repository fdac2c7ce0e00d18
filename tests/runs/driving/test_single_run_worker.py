"""A process that was started for one run: what it tells others keeps it from nothing."""

import asyncio
from dataclasses import replace

import pytest

from graph import RunStarted
from graph.errors import StoreUnavailable
from graph.events import Emit, RoleText
from graph.machine.build import build_graph
from graph.tasks import PlannerResult, RoleTask
from runs.checkpoints.local_checkpoints import LocalCheckpoints
from runs.driving.clean_up import CleanUp
from runs.driving.remote_dispatcher import RemoteDispatcher
from runs.driving.run_driver import DriveContext
from runs.driving.run_files import LocalRunFiles
from runs.driving.single_run_worker import SingleRunWorker
from runs.model.run import Run
from runs.model.run_record import LoggedEvent
from runs.service import RunService
from runs.sqlite.store import SqliteStore
from tests.standins.services.run_service import ME, House, config_of, log_of, started, story

pytestmark = pytest.mark.slow


class CountingStore(SqliteStore):
    """Counts how often a run is looked at."""

    looks = 0

    async def get(self, run_id: str) -> Run | None:
        self.looks += 1
        return await super().get(run_id)


def context_of(house: House, store: SqliteStore) -> DriveContext:
    config = config_of(house.folder)

    async def ended(_: str) -> None: ...

    return DriveContext(
        store=store,
        graph=build_graph(replace(house.pace.services(house.script), **house.roles)).compile(),
        files=LocalRunFiles(config.runs),
        checkpoints=LocalCheckpoints(config.runs),
        limits=config.limits,
        clean_up=CleanUp(ended),
    )


async def test_one_that_is_cancelled_twice_gives_its_run_back(house: House) -> None:
    """Its machine is taken away, and then its process is ended."""
    house.pace.hold("code")
    config, store = config_of(house.folder), SqliteStore(house.database)
    worker = SingleRunWorker(context_of(house, store), config.started)

    async def spawn(_: str, _ahead: bool) -> None: ...

    dispatch = RemoteDispatcher("api", spawn)
    async with RunService(store=store, config=config, dispatch=dispatch, pick_up=False) as service:
        run_id = await started(service)
        driving = asyncio.create_task(worker(run_id))
        await house.pace.reached("code")
        for _ in range(2):
            driving.cancel()
            await asyncio.sleep(0)
        await asyncio.wait((driving,))
        run = await store.get(run_id)
        assert run
        assert (run.status, run.lease) == ("running", None)


async def test_what_it_writes_tells_as_much_as_a_look(house: House) -> None:
    """Also that the run is to be cancelled."""
    config, store = config_of(house.folder), CountingStore(house.database)
    before, looks, spoken = list[int](), list[int](), asyncio.Event()
    wanted, talking, written = asyncio.Queue[str](), asyncio.Event(), asyncio.Event()

    async def talks(_: RoleTask, emit: Emit) -> PlannerResult:
        talking.set()
        while key := await wanted.get():
            emit(RoleText(key=key, role="planner", text="I look."))
        raise AssertionError("it is not cancelled")

    async def asks(_: Run) -> None:
        """Between two looks something is written."""
        if not talking.is_set():
            return
        looks.append(store.looks)
        written.clear()
        wanted.put_nowait(f"k{len(looks)}")
        await written.wait()
        if len(looks) == 3:
            spoken.set()

    def notice(event: LoggedEvent) -> None:
        if event.type == "role.text":
            written.set()

    def begins(run: Run) -> RunStarted:
        before.append(store.looks)
        return config.started(run)

    house.roles["planner"] = talks
    worker = SingleRunWorker(context_of(house, store), begins, on_look=asks)

    async def spawn(_: str, _ahead: bool) -> None: ...

    dispatch = RemoteDispatcher("api", spawn)
    async with RunService(store=store, config=config, dispatch=dispatch, pick_up=False) as service:
        service.observe(notice)
        run_id = await started(service)
        driving = asyncio.create_task(worker(run_id))
        await spoken.wait()
        await service.cancel(run_id, ME)
        await driving
        assert before[0] == 0
        assert looks[1:3] == [looks[0]] * 2
        assert story(await log_of(service, run_id))[-1] == "finished:cancelled"


@pytest.mark.parametrize("answers", [True, False])
async def test_a_run_that_others_cannot_be_told_of_is_cancelled(
    house: House, *, answers: bool
) -> None:
    """Where notes are kept fails at once, or does not answer."""
    house.pace.hold("code")
    config, store = config_of(house.folder), SqliteStore(house.database)
    told, work = asyncio.Event(), list[asyncio.Task[None]]()

    async def tell(_: Run) -> None:
        told.set()
        if answers:
            raise StoreUnavailable("The notes cannot be written.")
        await asyncio.Event().wait()

    worker = SingleRunWorker(context_of(house, store), config.started, on_look=tell)

    async def spawn(run_id: str, _: bool) -> None:
        work.append(asyncio.create_task(worker(run_id)))

    dispatch = RemoteDispatcher("api", spawn)
    async with RunService(store=store, config=config, dispatch=dispatch, pick_up=False) as service:
        run_id = await started(service)
        await told.wait()
        await service.cancel(run_id, ME)
        assert story(await log_of(service, run_id))[-1] == "finished:cancelled"
        await asyncio.gather(*work)
