"""A store that fails under a run that is driven; and what is tidied up after."""

import asyncio
import os
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from graph import RetryPolicy, RunFolder
from graph.errors import (
    RunNotFound,
    SandboxError,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreLocked,
    StoreUnavailable,
)
from runs.janitor import WAITING_S
from runs.model.day_budget import NO_DAY_LIMITS, DayLimits
from runs.model.run import Run
from runs.model.run_id import new_run_id
from runs.model.run_record import Caller, LoggedEvent
from runs.sqlite.store import SqliteStore
from runs.store.protocol import Decide
from runs.store.supervision import supervise
from tests.standins.services.run_service import (
    ME,
    REQUEST,
    House,
    log_of,
    seen,
    started,
    story,
)
from tests.support.polling import until

DAY_S = 86_400.0


class FailingStore(SqliteStore):
    """Raises what a test sets, while it is set."""

    fault: StoreError | None = None
    failures = sys.maxsize
    """How often it is raised."""

    async def transact(
        self, run_id: str, decide: Decide, day: DayLimits = NO_DAY_LIMITS
    ) -> Run | None:
        if FailingStore.fault and FailingStore.failures:
            FailingStore.failures -= 1
            raise FailingStore.fault
        return await super().transact(run_id, decide, day)


class ImpatientStore(SqliteStore):
    """One whose calls do not wait for others for long."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, timeout_s=0.1)


@pytest.fixture(autouse=True)
def _sound() -> None:
    FailingStore.fault = None
    FailingStore.failures = sys.maxsize


PASSING = [StoreFull("It is full."), StoreLocked("It is locked."), StoreUnavailable("It is away.")]


@pytest.mark.parametrize("fault", PASSING)
async def test_recording_waits_for_a_store_that_recovers_and_tells(
    house: House, fault: StoreError, caplog: pytest.LogCaptureFixture
) -> None:
    house.store = FailingStore
    house.pace.hold("code")
    async with house.open() as service:
        run_id = await started(service)
        await house.pace.reached("code")
        FailingStore.fault = fault
        house.pace.let_go("code")
        await until(lambda: f"the log of run {run_id} waits" in caplog.text)
        await asyncio.sleep(0.5)
        assert story(await service._store.events(run_id, 0, 1000))[-1] == "code1"
        FailingStore.fault = None
        events = await log_of(service, run_id)
        assert story(events)[-1] == "finished:succeeded"
        assert "resumed" not in story(events)
    waits = [event.data for event in events if event.type == "retry"]
    assert [(wait["what"], wait["reason"]) for wait in waits] == [("store", fault.code)]
    assert waits[0]["waitMs"] >= 500


async def test_a_backup_that_locks_the_store_ends_no_run(house: House) -> None:
    """A real lock, which a call of the store does not outlast."""
    house.store = ImpatientStore
    house.pace.hold("code")
    async with house.open() as service:
        run_id = await started(service)
        await house.pace.reached("code")
        with closing(sqlite3.connect(house.database, isolation_level=None)) as backup:
            backup.execute("BEGIN EXCLUSIVE")
            house.pace.let_go("code")
            await asyncio.sleep(1.5)
            backup.execute("ROLLBACK")
        events = await log_of(service, run_id)
    assert story(events)[-1] == "finished:succeeded"
    assert [event.data["reason"] for event in events if event.type == "retry"] == ["store_locked"]


@pytest.mark.slow
async def test_a_backup_that_outlasts_a_lease_gives_no_run_to_another_process(
    house: House,
) -> None:
    """Nobody could renew a lease meanwhile: who holds one has its time once it can."""
    house.store = ImpatientStore
    house.pace.hold("code")
    async with house.open() as service, house.open():
        run_id = await started(service)
        await house.pace.reached("code")
        with closing(sqlite3.connect(house.database, isolation_level=None)) as backup:
            backup.execute("BEGIN EXCLUSIVE")
            await asyncio.sleep(30.0)
            backup.execute("ROLLBACK")
        await asyncio.sleep(8.0)
        house.pace.let_go("code")
        events = await log_of(service, run_id)
    assert story(events)[-1] == "finished:succeeded"
    assert "resumed" not in story(events)


@pytest.mark.slow
async def test_a_backup_that_locks_the_checkpoints_ends_no_run(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.pace.hold("code")
    async with house.open() as service:
        run_id = await started(service)
        await house.pace.reached("code")
        checkpoints = RunFolder.of(house.folder / "runs", run_id).checkpoint
        with closing(sqlite3.connect(checkpoints, isolation_level=None)) as backup:
            backup.execute("BEGIN EXCLUSIVE")
            house.pace.let_go("code")
            await until(lambda: f"the checkpointer of {checkpoints} waits" in caplog.text)
            backup.execute("ROLLBACK")
        assert story(await log_of(service, run_id))[-1] == "finished:succeeded"


async def test_a_plan_that_waits_outlasts_a_locked_store(house: House) -> None:
    house.store = FailingStore
    house.pace.hold("plan")
    async with house.open() as service:
        run_id = await started(service, approve_plan=True)
        await house.pace.reached("plan")
        FailingStore.fault = StoreLocked("The store is locked.")
        house.pace.let_go("plan")
        await asyncio.sleep(0.5)
        FailingStore.fault = None
        await seen(service, run_id, "plan.waiting")


async def test_a_damaged_store_ends_the_run_with_its_code(house: House) -> None:
    house.store = FailingStore
    house.pace.hold("code")
    async with house.open() as service:
        run_id = await started(service)
        await house.pace.reached("code")
        FailingStore.fault = StoreDamaged("The store is damaged.")
        FailingStore.failures = 1
        house.pace.let_go("code")
        events = await log_of(service, run_id)
        assert story(events)[-2:] == ["code:stopped", "finished:failed"]
        assert events[-1].data["error"]["code"] == "store_damaged"
        assert events[-1].data["error"]["hint"]
        await service.resume(run_id, ME)
        assert story(await log_of(service, run_id))[-1] == "finished:succeeded"


async def test_a_store_that_stays_away_lets_the_run_be_picked_up(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.store = FailingStore
    house.pace.hold("code")
    async with house.open(store_wait_s=0.3) as service:
        run_id = await started(service)
        await house.pace.reached("code")
        FailingStore.fault = StoreLocked("The store is locked.")
        house.pace.let_go("code")
        await until(lambda: not service._dispatch.driven)
        assert f"lost hold of run {run_id}" in caplog.text
    FailingStore.fault = None
    async with house.open() as service:
        events = await log_of(service, run_id)
    told = story(events)
    assert told[-1] == "finished:succeeded", events[-1].data
    assert "finished:interrupted" in told


async def test_a_reader_waits_for_a_store_that_cannot_be_read(house: House) -> None:
    class UnreadableStore(SqliteStore):
        fault: StoreError | None = None

        async def events(self, *asked: Any, **more: Any) -> list[LoggedEvent]:
            if UnreadableStore.fault:
                raise UnreadableStore.fault
            return await super().events(*asked, **more)

    house.store = UnreadableStore
    async with house.open() as service:
        run_id = await started(service)
        await log_of(service, run_id)
        UnreadableStore.fault = StoreLocked("The store is locked.")
        reading = asyncio.create_task(log_of(service, run_id))
        await asyncio.sleep(0.4)
        assert not reading.done()
        UnreadableStore.fault = None
        assert story(await reading)[-1] == "finished:succeeded"


async def test_a_service_that_cannot_write_is_not_ready(house: House) -> None:
    class FullStore(SqliteStore):
        async def probe(self) -> None:
            raise StoreFull("full")

    house.store = FullStore
    async with house.open() as service:
        assert await service.ready() == "store_full"


async def test_cleaning_up_that_fails_does_not_change_the_end(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(list[str]):
        def append(self, run_id: str, /) -> None:
            raise OSError(run_id)

    house.closed = Broken()
    house.pace.hold("code")
    async with house.open() as service:
        run_id = await started(service)
        await house.pace.reached("code")
        await service.cancel(run_id, ME)
        assert story(await log_of(service, run_id))[-1] == "finished:cancelled"
        await until(lambda: not service._dispatch.driven)
        assert "left something behind" in caplog.text
        house.pace.let_go("code")
        await service.resume(run_id, ME)
        assert story(await log_of(service, run_id))[-1] == "finished:succeeded"


async def test_a_plan_that_nobody_answers_is_cancelled_after_a_week(house: House) -> None:
    async with house.open() as service:
        run_id = await started(service, approve_plan=True)
        await seen(service, run_id, "plan.waiting")
        await until(lambda: not service._dispatch.driven)
        now = time.time()
        await service._janitor.round(now + WAITING_S - 60)
        assert (await service.get(run_id, ME)).status == "waiting"
        await service._janitor.round(now + WAITING_S + 60)
        events = await log_of(service, run_id)
        assert story(events)[-2:] == ["approve:stopped", "finished:cancelled"]
        assert events[-1].data["reason"] == "plan_not_answered"
        assert house.closed == [run_id]


async def test_old_runs_and_folders_of_none_are_removed(house: House) -> None:
    async with house.open(keep_days=2) as service:
        old = await started(service)
        await log_of(service, old)
        await until(lambda: not service._dispatch.driven)
        waiting = await started(service, approve_plan=True)
        await seen(service, waiting, "plan.waiting")
        runs = house.folder / "runs"
        strays = [runs / new_run_id(), runs / "someones-folder", runs / new_run_id()]
        for stray in strays:
            stray.mkdir()
        for path in (*strays[:2], runs / waiting):
            os.utime(path, (0, 0))
        now = time.time()
        await service._janitor.round(now)
        assert await _names(runs) == {old, waiting, strays[1].name, strays[2].name}
        await service._janitor.round(now + 2 * DAY_S + 60)
        assert old not in await _names(runs)
        with pytest.raises(RunNotFound):
            await service.get(old, ME)
        assert (await service.get(waiting, ME)).status == "waiting"


async def test_what_untrusted_code_wrote_goes_first(house: House) -> None:
    """A folder of no run is handed to whoever knows trees before it is removed."""
    dead_services: list[str] = []
    stray = house.folder / "runs" / new_run_id()
    stray.mkdir(parents=True)
    os.utime(stray, (0, 0))

    async def on_delete(run_id: str) -> None:
        assert stray.exists()
        dead_services.append(run_id)

    async with house.open(pick_up=False) as service:
        service._janitor._on_delete = on_delete
        await service._janitor.round(time.time())
    assert dead_services == [stray.name]
    assert not stray.exists()


async def test_one_run_that_cannot_be_removed_keeps_no_other(house: House) -> None:
    async with house.open(keep_days=2) as service:
        ids = [await started(service) for _ in range(2)]
        for run_id in ids:
            await log_of(service, run_id)
        await until(lambda: not service._dispatch.driven)

        async def on_delete(run_id: str) -> None:
            if run_id == ids[0]:
                raise SandboxError("A tree could not be removed.")

        service._on_delete = on_delete
        await service._janitor.round(time.time() + 3 * DAY_S)
        assert (await service.get(ids[0], ME)).status == "succeeded"
        with pytest.raises(RunNotFound):
            await service.get(ids[1], ME)
        service._on_delete = _nothing
        await service._janitor.round(time.time() + 3 * DAY_S)
        with pytest.raises(RunNotFound):
            await service.get(ids[0], ME)


async def test_the_janitor_outlasts_what_nobody_expected(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """Of what is due each piece is tried, and all of it again in the next round."""

    class OddStore(SqliteStore):
        async def forget(self, before: float) -> None:
            raise ZeroDivisionError(before)

    house.store = OddStore
    async with house.open(keep_days=2) as service:
        run_id = await started(service)
        await log_of(service, run_id)
        await until(lambda: not service._dispatch.driven)
        await until(lambda: "ZeroDivisionError" in caplog.text)
        stray = house.folder / "runs" / new_run_id()
        stray.mkdir()
        os.utime(stray, (0, 0))
        await service._janitor.round(time.time() + 3 * DAY_S)
        assert await _names(house.folder / "runs") == set()
        assert not any(task.done() for task in service._tasks)


async def test_work_in_the_background_begins_again(caplog: pytest.LogCaptureFixture) -> None:
    begun = 0

    async def work() -> None:
        nonlocal begun
        begun += 1
        if begun < 3:
            raise KeyError(f"fault {begun}")

    policy = RetryPolicy(attempts=sys.maxsize, first_s=0.01, total_s=float("inf"))
    await supervise("the work", work, policy)
    assert begun == 3
    assert [record.getMessage()[:28] for record in caplog.records] == [
        "the work ended by an error; "
    ] * 2
    assert "fault 2" in caplog.text


async def test_the_look_at_other_processes_outlasts_what_nobody_expected(house: House) -> None:
    async with house.open() as one, house.open() as other:
        faults = ["once"]

        def listen(_: str | None) -> None:
            if faults:
                raise ValueError(faults.pop())

        other._store.subscribe(listen)
        await log_of(one, await started(one))
        await until(lambda: not faults)
        run_id = await started(one)
        assert story(await log_of(other, run_id))[-1] == "finished:succeeded"


async def test_the_next_attempt_removes_what_a_killed_one_had_half_written(house: House) -> None:
    house.pace.hold("code")
    async with house.open() as service:
        run_id = await started(service)
        await house.pace.reached("code")
    root = house.folder / "runs" / run_id
    halves = [".base-0123/objects/x", ".index-0123/index", ".fence.01", "changes/.0001-coder.01"]
    halves += ["transcripts/0001-coder/.0001.json.01", "diffs/.0001.diff.01"]
    kept = ["changes/0001-coder.patch", "trees/.new-0123/workspace/x", "base.git/HEAD"]
    for name in (*halves, *kept):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    house.pace.let_go("code")
    async with house.open() as service:
        assert story(await log_of(service, run_id))[-1] == "finished:succeeded"
    assert [name for name in halves if (root / name).exists()] == []
    assert [name for name in kept if (root / name).exists()] == kept
    assert not list(root.glob(".*"))


async def _nothing(_: str) -> None: ...


async def _names(folder: Path) -> set[str]:
    return {path.name for path in await asyncio.to_thread(lambda: list(folder.iterdir()))}


async def test_many_runs_at_once(house: House) -> None:
    async with house.open(max_concurrent=8, max_queued=100) as service:
        me = Caller("local")
        ids = [await started(service, prompt=f"run {number}") for number in range(30)]
        logs = await asyncio.gather(*(log_of(service, run_id) for run_id in ids))
        assert all(story(log)[-1] == "finished:succeeded" for log in logs)
        assert len((await service.list(me, status="succeeded", limit=100))[0]) == 30
        await until(lambda: not service._dispatch.driven)
        assert len(asyncio.all_tasks()) < 12
        assert (await service.start(REQUEST, owner="local"))[1]
