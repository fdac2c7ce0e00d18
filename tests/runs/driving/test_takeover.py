"""Several processes on one store: one drives a run, any may watch and steer, another takes over."""

import asyncio
import signal
import threading
import time
from contextlib import suppress
from typing import Any

import pytest

from graph.errors import RunActive, RunFinished, RunNotFound
from graph.files.run_folder import RunFolder
from graph.values import Approval
from runs.model import claiming, transitions
from runs.model.attempts import Step
from runs.model.run import Lease, Run
from runs.sqlite.store import SqliteStore
from tests.standins.services.other_process import process_of
from tests.standins.services.run_service import (
    ME,
    House,
    log_of,
    seen,
    started,
    story,
)
from tests.support.polling import until

pytestmark = pytest.mark.slow


@pytest.mark.slow
@pytest.mark.parametrize("node", ["plan", "code", "publish"])
async def test_a_run_whose_process_was_killed_goes_on_by_itself(house: House, node: str) -> None:
    house.pace.hold(node)
    async with process_of(house) as (process, run_id):
        await house.pace.reached(node)
        await asyncio.sleep(0.1)
        process.send_signal(signal.SIGKILL)
        await process.wait()
    house.pace.let_go(node)
    async with asyncio.timeout(60), house.open() as service:
        events = await log_of(service, run_id)
    told = story(events)
    lost = told.index(f"{node}:stopped")
    assert told[lost - 1 : lost + 4] == [
        f"{node}1",
        f"{node}:stopped",
        "finished:interrupted",
        "resumed",
        f"{node}2",
    ]
    assert told[-1] == "finished:succeeded"
    assert told.count("resumed") == 1
    assert [event.data["attempt"] for event in events if event.type == "run.finished"] == [1, 2]
    resumed = next(event for event in events if event.type == "run.resumed")
    assert resumed.data == {"type": "run.resumed", "attempt": 2, "reason": "picked_up"}
    usages = [event for event in events if event.type == "usage"]
    assert len(usages) == 3  # said again after the kill, counted once
    assert events[-1].data["costUsd"] == pytest.approx(0.03)


async def test_a_killed_process_run_is_resumed_or_removed_where_no_server_is(house: House) -> None:
    house.pace.hold("plan")
    own = process_of(house, pick_up=False)  # else it takes over what the other one leaves
    async with own as (one, resumed), process_of(house, pick_up=False) as (two, removed):
        await house.pace.reached("plan", 2)
        async with house.open(pick_up=False) as service:
            assert await service.abandoned() == frozenset()
            with pytest.raises(RunActive):
                await service.resume(resumed, ME)
            for process in (one, two):
                process.kill()
                await process.wait()
            assert await service.abandoned() == {resumed, removed}
            house.pace.let_go("plan")
            await service.delete(removed, ME)
            with pytest.raises(RunNotFound):
                await service.get(removed, ME)
            await service.resume(resumed, ME)
            told = story(await log_of(service, resumed))
            assert await service.abandoned() == frozenset()
    lost = told.index("plan:stopped")
    assert told[lost + 1 : lost + 4] == ["finished:interrupted", "resumed", "plan2"]
    assert told.count("resumed") == 1
    assert told[-1] == "finished:succeeded"


async def test_a_process_that_is_told_to_stop_hands_its_runs_on(house: House) -> None:
    house.pace.hold("code")
    async with process_of(house) as (process, run_id):
        await house.pace.reached("code")
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            assert await process.wait() == 0
    async with house.open(pick_up=False) as watcher:
        assert (await watcher.get(run_id, ME)).status == "running"
        house.pace.let_go("code")
        async with house.open() as service:
            told = story(await log_of(service, run_id))
    assert told[5:9] == ["code1", "code:stopped", "finished:interrupted", "resumed"]
    assert told[-1] == "finished:succeeded"
    assert house.closed == []


ONCE = ("change.updated", "validation.finished", "review.finished", "gate.finished")


@pytest.mark.parametrize("moment_ms", [0, 5, 10, 20, 30, 40, 60])
@pytest.mark.parametrize("how", ["stop", "cancel"])
async def test_a_run_stopped_at_any_moment_does_nothing_twice(
    house: House, moment_ms: int, how: str
) -> None:
    house.pace.hold("plan")
    async with house.open() as service:
        run_id = await started(service)
        await house.pace.reached("plan")
        house.pace.let_go("plan")
        await asyncio.sleep(moment_ms / 1000)
        if how == "cancel":
            with suppress(RunFinished):
                await service.cancel(run_id, ME)
            await log_of(service, run_id)
            with suppress(RunFinished):
                await service.resume(run_id, ME)
    async with house.open() as service:
        events = await log_of(service, run_id)
    assert story(events)[-1] == "finished:succeeded"
    kinds = [event.type for event in events]
    assert [kinds.count(kind) for kind in ONCE] == [1] * len(ONCE)
    assert kinds.count("usage") == 3
    assert kinds.count("pr.created") == 1
    assert "pr.updated" not in kinds


async def test_a_living_processs_run_is_left_to_it(house: House) -> None:
    house.pace.hold("code")
    async with house.open() as one, house.open() as other:
        run_id = await started(one)
        await house.pace.reached("code")
        await asyncio.sleep(1.3)
        house.pace.let_go("code")
        told = story(await log_of(other, run_id))
        assert "resumed" not in told
        assert house.pace.calls("code") == 1


async def test_another_process_cancels_a_run(house: House) -> None:
    house.pace.hold("code")
    async with house.open() as one, house.open(pick_up=False) as other:
        run_id = await started(one)
        await house.pace.reached("code")
        assert await other.cancel(run_id, ME) is True
        async with asyncio.timeout(60):
            told = story(await log_of(other, run_id))
        assert told[-2:] == ["code:stopped", "finished:cancelled"]
        assert await one.cancel(run_id, ME) is False
        assert house.closed == [run_id]


async def test_another_process_answers_a_plan(house: House) -> None:
    async with house.open() as one, house.open(pick_up=False) as other:
        run_id = await started(one, approve_plan=True)
        await seen(other, run_id, "plan.waiting")
        await until(lambda: not one._dispatch.driven)
        await other.answer_plan(run_id, ME, Approval(decision="approve", plan_id="plan-1"))
        assert story(await log_of(one, run_id))[-1] == "finished:succeeded"


async def test_who_only_looks_drives_nothing(house: House) -> None:
    house.pace.hold("code")
    async with house.open() as one:
        run_id = await started(one)
        await house.pace.reached("code")
    async with house.open(pick_up=False) as looker:
        await asyncio.sleep(1.2)
        assert (await looker.get(run_id, ME)).status == "running"
        mine = await started(looker, prompt="mine")
        await house.pace.reached("code", 2)
        house.pace.let_go("code")
        assert story(await log_of(looker, mine))[-1] == "finished:succeeded"
        assert house.pace.calls("code") == 2
    async with house.open() as service:
        assert story(await log_of(service, run_id))[-1] == "finished:succeeded"


async def test_a_run_asked_for_in_a_process_is_driven_there(house: House) -> None:
    """Another process may not have what it takes: a local repository, for one."""
    async with house.open(), house.open(pick_up=False) as asker:
        for _ in range(5):
            run_id = await started(asker)
            run = await asker._store.get(run_id)
            assert run
            assert run.lease
            assert run.lease.service == asker._store.service
            await log_of(asker, run_id)


async def change(store: SqliteStore, run_id: str, **changes: Any) -> None:
    await store.transact(run_id, lambda run: Step(run.replace(**changes)))


async def test_a_drive_that_lost_its_lease_writes_no_more(house: House) -> None:
    house.pace.hold("code")
    async with house.open() as one:
        run_id = await started(one)
        await house.pace.reached("code")
        thief = Lease(service=one._store.service, token="thief", until=time.time() + 60)
        store = SqliteStore(house.database)
        await store.open()
        await change(store, run_id, lease=thief)
        house.pace.let_go("code")
        await until(lambda: not one._dispatch.driven)
        run = await store.get(run_id)
        assert run
        assert run.lease == thief
        assert run.status == "running"
        told = story(await store.events(run_id, 0, 100))
        assert told[-1] == "code1"
        await change(store, run_id, lease=None)
        await store.close()
        told = story(await log_of(one, run_id))
        assert told[5:9] == ["code1", "code:stopped", "finished:interrupted", "resumed"]
        assert told[-1] == "finished:succeeded"


async def test_a_run_that_ends_its_process_each_time_is_given_up(house: House) -> None:
    house.pace.hold("code")
    async with house.open() as one:
        run_id = await started(one)
        await house.pace.reached("code")
    store = SqliteStore(house.database)
    await store.open()
    lost = Lease(service="lost", token="its", until=0.0)
    await change(store, run_id, idle_pickups=claiming.MAX_IDLE_PICKUPS, lease=lost)
    await store.close()
    async with house.open() as service:
        events = await log_of(service, run_id)
        assert story(events)[-2:] == ["code:stopped", "finished:interrupted"]
        assert events[-1].data["error"]["code"] == "interrupted"
        house.pace.let_go("code")
        await service.resume(run_id, ME)
        assert story(await log_of(service, run_id))[-1] == "finished:succeeded"


async def test_a_run_whose_processes_are_killed_goes_on_after_a_pause_that_is_told(
    house: House,
) -> None:
    house.pace.hold("code")
    store = SqliteStore(house.database)
    async with process_of(house) as (process, run_id):
        await house.pace.reached("code")
        await store.open()
        await usages_of(store, run_id, 2)  # what is told later would be a gain
        process.kill()
        await process.wait()
    for attempt in (2, 3, 4):  # each process gets no further than the one before
        async with house.open():
            run = await attempt_of(store, run_id, attempt)
        if run.status == "running":
            await change(store, run_id, lease=Lease(service="lost", token="its", until=0.0))
    events = await store.events(run_id, 0, 1000)
    pauses = [event.data for event in events if event.type == "retry"]
    assert [(pause["what"], pause["waitMs"]) for pause in pauses] == [("pick-up", 10_000)]
    assert (await store.due(time.time(), frozenset(), 10), run.status) == ([], "queued")
    await change(store, run_id, not_before=time.time())
    await store.close()
    house.pace.let_go("code")
    async with house.open() as service:
        assert story(await log_of(service, run_id))[-1] == "finished:succeeded"


async def usages_of(store: SqliteStore, run_id: str, count: int) -> None:
    """Return once so many are in the log."""
    async with asyncio.timeout(60):
        while True:
            events = await store.events(run_id, 0, 1000)
            if sum(event.type == "usage" for event in events) >= count:
                return
            await asyncio.sleep(0.01)


async def attempt_of(store: SqliteStore, run_id: str, attempt: int) -> Run:
    """The run once it was picked up for this attempt."""
    async with asyncio.timeout(60):
        while True:
            run = await store.get(run_id)
            if run and run.attempt == attempt:
                return run
            await asyncio.sleep(0.01)


async def test_runs_that_may_end_their_process_are_driven_one_at_a_time(house: House) -> None:
    house.pace.hold("code")
    async with house.open(pick_up=False) as service:
        ids = [await started(service) for _ in range(3)]
        await house.pace.reached("code", 3)
    store = SqliteStore(house.database)
    await store.open()
    for run_id in ids[:2]:
        await change(store, run_id, status="queued", lease=None, idle_pickups=3)
    async with house.open() as service:
        await house.pace.reached("code", 5)  # one of the two, and the one that is above suspicion
        await asyncio.sleep(1.5)
        assert (service._dispatch.driven, house.pace.calls("code")) == (2, 5)
        house.pace.let_go("code")
        for run_id in ids:
            assert story(await log_of(service, run_id))[-1] == "finished:succeeded"
    await store.close()


async def test_a_cancelled_run_whose_process_was_lost_ends_cancelled(house: House) -> None:
    house.pace.hold("code")
    async with house.open() as one:
        run_id = await started(one)
        await house.pace.reached("code")
    store = SqliteStore(house.database)
    await store.open()
    await change(store, run_id, cancelling=True)
    await store.close()
    async with house.open() as service:
        assert story(await log_of(service, run_id))[-1] == "finished:cancelled"
        await until(lambda: bool(house.closed) and not service._dispatch.driven)
        assert house.closed == [run_id]


async def test_an_answer_that_came_before_the_crash_is_not_asked_for_again(house: House) -> None:
    """Killed between the answer and the node that takes it."""
    async with house.open() as one:
        run_id = await started(one, approve_plan=True)
        await seen(one, run_id, "plan.waiting")
        await until(lambda: not one._dispatch.driven)
    store = SqliteStore(house.database)
    await store.open()

    def answered(run: Run) -> Step:
        step = transitions.answer(
            run,
            approval=Approval(decision="approve"),
            now=time.time(),
            admission=transitions.Admission(),
            by="ann",
        )
        assert step
        return Step(step.run.replace(status="running"), step.entries)

    await store.transact(run_id, answered)
    await store.close()
    async with house.open() as service:
        told = story(await log_of(service, run_id))
    assert told[5:11] == [
        "approve1",
        "approve:stopped",
        "finished:interrupted",
        "resumed",
        "approve2",
        "approve:approved",
    ]
    assert told[-1] == "finished:succeeded"


async def test_a_run_killed_after_its_last_node_only_ends(house: House) -> None:
    async with house.open() as one:
        run_id = await started(one)
        await log_of(one, run_id)
        await until(lambda: not one._dispatch.driven)
    store = SqliteStore(house.database)
    await store.open()
    await change(store, run_id, status="running")
    await store.close()
    async with house.open() as service:
        told = story(await log_of(service, run_id))
    assert told[-4:] == [
        "finished:succeeded",
        "finished:interrupted",
        "resumed",
        "finished:succeeded",
    ]
    assert len(house.script.published) == 1


async def test_a_run_of_another_state_version_ends_and_can_be_resumed(house: House) -> None:
    house.pace.hold("code")
    async with house.open() as one:
        run_id = await started(one)
        await house.pace.reached("code")
    store = SqliteStore(house.database)
    await store.open()
    await change(store, run_id, state_version=0)
    house.pace.let_go("code")
    async with house.open() as service:
        events = await log_of(service, run_id)
        assert events[-1].data["status"] == "failed"
        assert events[-1].data["error"]["code"] == "version_changed"
        await change(store, run_id, state_version=1)
        await service.resume(run_id, ME)
        assert story(await log_of(service, run_id))[-1] == "finished:succeeded"
    await store.close()


async def test_a_damaged_checkpoint_ends_the_run_and_is_left_alone(house: House) -> None:
    house.pace.hold("code")
    async with house.open() as one:
        run_id = await started(one)
        await house.pace.reached("code")
    path = RunFolder.of(house.folder / "runs", run_id).checkpoint
    damage = b"no database " * 1000
    path.write_bytes(damage)
    async with house.open() as service:
        events = await log_of(service, run_id)
        assert events[-1].data["error"]["code"] == "store_damaged"
        assert path.read_bytes() == damage
        await until(lambda: not service._dispatch.driven)
    workers = [
        thread.name for thread in threading.enumerate() if "connection_worker" in thread.name
    ]
    assert not workers, "a file that stays open holds the process at its end"
