"""A clock that is set back or forward while runs are driven: logs, leases and times stay sound."""

import asyncio
import signal
import time
from dataclasses import dataclass

import pytest

from graph.files.run_folder import RunFolder
from runs.model.run_id import RunIds
from tests.standins.services.other_process import process_of
from tests.standins.services.run_service import (
    ME,
    House,
    log_of,
    started,
    story,
)
from tests.support.polling import until

HOUR_S = 3600.0


@dataclass
class Clock:
    """The machine's clock, `set_by` seconds from what it was."""

    set_by: float = 0.0

    def __post_init__(self) -> None:
        self._time, self._time_ns = time.time, time.time_ns

    def time(self) -> float:
        return self._time() + self.set_by

    def time_ns(self) -> int:
        return self._time_ns() + round(self.set_by * 1e9)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "time", clock.time)
    monkeypatch.setattr(time, "time_ns", clock.time_ns)
    return clock


@pytest.mark.parametrize("by", [-HOUR_S, -100 * 24 * HOUR_S])
async def test_set_back_in_the_middle_of_a_run(house: House, clock: Clock, by: float) -> None:
    house.pace.hold("code")
    async with house.open() as service:
        run_id = await started(service)
        await house.pace.reached("code")
        clock.set_by = by
        house.pace.let_go("code")
        events = await log_of(service, run_id)
        record = await service._store.get(run_id)
    assert story(events)[-1] == "finished:succeeded"
    assert "resumed" not in story(events)
    assert all(event.data["durationMs"] >= 0 for event in events if event.type == "node.finished")
    assert record
    assert record.updated_at < record.created_at


async def test_set_back_no_other_process_takes_a_living_ones_run(
    house: House, clock: Clock
) -> None:
    house.pace.hold("code")
    async with house.open() as one, house.open():
        run_id = await started(one)
        await house.pace.reached("code")
        clock.set_by = -HOUR_S
        house.pace.let_go("code")
        told = story(await log_of(one, run_id))
    assert told[-1] == "finished:succeeded"
    assert "resumed" not in told


async def test_set_back_a_lost_run_is_still_picked_up(house: House, clock: Clock) -> None:
    """Its lease seems to last for another hour; its process is known to be gone."""
    house.pace.hold("code")
    async with house.open() as one:
        run_id = await started(one)
        await house.pace.reached("code")
    clock.set_by = -HOUR_S
    house.pace.let_go("code")
    async with house.open() as other:
        told = story(await log_of(other, run_id))
    assert told[-1] == "finished:succeeded"
    assert told.count("resumed") == 1


@pytest.mark.parametrize("node", ["code", "publish"])
async def test_set_back_before_a_restart_a_run_goes_on_where_it_was(
    house: House, node: str
) -> None:
    """Ids of checkpoints follow the clock: the ones that come now are smaller than those there."""
    house.pace.hold(node)
    async with process_of(house, clock_s=HOUR_S) as (process, run_id):
        await house.pace.reached(node)
        process.kill()
        await process.wait()
    house.pace.let_go(node)
    async with house.open() as service:
        events = await log_of(service, run_id)
        told = story(events)
        assert told[-1] == "finished:succeeded", events[-1].data
        assert (told.count("plan1"), told.count("plan2")) == (1, 0)
    async with house.open() as service:
        assert (await service.get(run_id, ME)).status == "succeeded"


async def test_a_stopped_run_is_resumed_after_the_clock_was_set_back(house: House) -> None:
    house.pace.hold("code")
    async with process_of(house, clock_s=HOUR_S) as (process, run_id):
        await house.pace.reached("code")
        async with house.open(pick_up=False) as other:
            await other.cancel(run_id, ME)
            await log_of(other, run_id)
        process.kill()
        await process.wait()
    house.pace.let_go("code")
    async with house.open() as service:
        for _ in range(2):
            await service.resume(run_id, ME)
            told = story(await log_of(service, run_id))
            if told[-1] == "finished:succeeded":
                break
    assert told[-1] == "finished:succeeded"
    assert told.count("resumed") == 1


@pytest.mark.parametrize("by", [-HOUR_S, HOUR_S])
async def test_durations_follow_the_monotonic_clock(house: House, clock: Clock, by: float) -> None:
    house.pace.hold("code")
    begun = time.monotonic()
    async with house.open() as service:
        run_id = await started(service)
        await house.pace.reached("code")
        clock.set_by = by
        house.pace.let_go("code")
        events = await log_of(service, run_id)
    most_ms = (time.monotonic() - begun) * 1000
    spans = [event.data["durationMs"] for event in events if event.type == "node.finished"]
    assert max(spans) <= most_ms
    assert sum(spans) > 0


async def test_a_lost_nodes_duration_leaves_out_the_time_after_its_process(
    house: House, clock: Clock
) -> None:
    house.pace.hold("code")
    begun = time.monotonic()
    async with process_of(house) as (process, run_id):
        async with asyncio.timeout(60), house.open(pick_up=False) as watcher:
            while (await watcher.get(run_id, ME)).node != "code":  # noqa: ASYNC110 - a process's
                await asyncio.sleep(0.01)
        process.kill()
        await process.wait()
    most_ms = (time.monotonic() - begun) * 1000 + 1
    clock.set_by = HOUR_S / 2
    house.pace.let_go("code")
    async with house.open() as service:
        events = await log_of(service, run_id)
    lost = [e for e in events if e.type == "node.finished" and e.data["outcome"] == "stopped"]
    assert [event.data["node"] for event in lost] == ["code"]
    assert lost[0].data["durationMs"] <= most_ms


async def test_set_back_nothing_is_tidied_away(house: House, clock: Clock) -> None:
    async with house.open(keep_days=1) as service:
        run_id = await started(service)
        await log_of(service, run_id)
        clock.set_by = -HOUR_S
        await service._janitor.round(time.time())
        assert await service._store.get(run_id)
        assert RunFolder.of(house.folder / "runs", run_id).root.exists()


async def test_set_forward_nothing_is_tidied_away_before_the_clock_may_be_set_right(
    house: House, clock: Clock
) -> None:
    async with house.open(keep_days=1) as service:
        run_id = await started(service)
        await log_of(service, run_id)
        await until(lambda: not service._dispatch.driven)
        for set_by in (400 * 24 * HOUR_S, 0.0, 400 * 24 * HOUR_S):
            clock.set_by = set_by
            await service._janitor.look()
            assert await service._store.get(run_id)
        await service._janitor.look()  # by now it is what the operator wants
        assert await service._store.get(run_id) is None


def test_set_back_ids_of_runs_still_rise(clock: Clock) -> None:
    ids = RunIds()
    first = ids.new()
    clock.set_by = -HOUR_S
    assert first < ids.new() < ids.new()


async def test_set_back_no_step_gets_more_than_the_whole_time(house: House, clock: Clock) -> None:
    house.pace.hold("plan")
    async with house.open() as service:
        run_id = await started(service, timeout_s=100)
        await house.pace.reached("plan")
        clock.set_by = -HOUR_S
        house.pace.let_go("plan")
        await log_of(service, run_id)
    later = [task.budget.deadline for task in house.script.tasks if task.role != "planner"]
    assert later
    assert all(deadline <= clock.time() + 100 for deadline in later)


async def test_set_forward_no_other_process_takes_a_living_ones_run(
    house: House, clock: Clock
) -> None:
    """As after a machine has slept: all leases have ended, before anybody could renew one."""
    house.pace.hold("code")
    async with house.open() as one, house.open():
        run_id = await started(one)
        await house.pace.reached("code")
        clock.set_by = HOUR_S / 2
        await asyncio.sleep(2.5)
        house.pace.let_go("code")
        told = story(await log_of(one, run_id))
    assert told[-1] == "finished:succeeded"
    assert "resumed" not in told


@pytest.mark.slow
async def test_a_process_that_is_silent_for_long_loses_its_run(house: House) -> None:
    house.pace.hold("code")
    async with process_of(house) as (process, run_id):
        await house.pace.reached("code")
        process.send_signal(signal.SIGSTOP)
        house.pace.let_go("code")
        begun = time.monotonic()
        async with house.open() as other:
            told = story(await log_of(other, run_id))
        assert time.monotonic() - begun > 15
        process.send_signal(signal.SIGCONT)
    assert told[-1] == "finished:succeeded"
    assert told.count("resumed") == 1
