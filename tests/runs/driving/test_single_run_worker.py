"""A process that was started for one run: what it tells others keeps it from nothing."""

import asyncio

import pytest

from graph.errors import StoreUnavailable
from graph.machine.build import build_graph
from runs.checkpoints.local_checkpoints import LocalCheckpoints
from runs.driving.clean_up import CleanUp
from runs.driving.remote_dispatcher import RemoteDispatcher
from runs.driving.run_driver import DriveContext
from runs.driving.run_files import LocalRunFiles
from runs.driving.single_run_worker import SingleRunWorker
from runs.model.run import Run
from runs.service import RunService
from runs.sqlite.store import SqliteStore
from tests.standins.services.run_service import ME, House, config_of, log_of, started, story

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("answers", [True, False])
async def test_a_run_that_others_cannot_be_told_of_is_cancelled(
    house: House, *, answers: bool
) -> None:
    """Where notes are kept fails at once, or does not answer."""
    house.pace.hold("code")
    config, store = config_of(house.folder), SqliteStore(house.database)
    files, told, work = LocalRunFiles(config.runs), asyncio.Event(), list[asyncio.Task[None]]()

    async def ended(_: str) -> None: ...

    async def tell(_: Run) -> None:
        told.set()
        if answers:
            raise StoreUnavailable("The notes cannot be written.")
        await asyncio.Event().wait()

    context = DriveContext(
        store=store,
        graph=build_graph(house.pace.services(house.script)).compile(),
        files=files,
        checkpoints=LocalCheckpoints(config.runs),
        limits=config.limits,
        clean_up=CleanUp(ended),
    )
    worker = SingleRunWorker(context, config.started, on_look=tell)

    async def spawn(run_id: str) -> None:
        work.append(asyncio.create_task(worker(run_id)))

    dispatch = RemoteDispatcher("api", spawn)
    async with RunService(store=store, config=config, dispatch=dispatch, pick_up=False) as service:
        run_id = await started(service)
        await told.wait()
        await service.cancel(run_id, ME)
        assert story(await log_of(service, run_id))[-1] == "finished:cancelled"
        await asyncio.gather(*work)
