"""A resume is carried out once, wherever the process that was to do it is stopped."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from graph.errors import SandboxLost
from graph.files.run_folder import RunFolder
from runs.checkpoints.local_checkpoints import open_checkpointer
from runs.model.operator_limits import RaisedLimits
from runs.model.run_record import LoggedEvent
from runs.service import RunService
from tests.standins.services.kill_moments import Moments
from tests.standins.services.run_service import (
    ME,
    House,
    log_of,
    started,
    story,
)
from tests.standins.services.scripted_services import FAILED, PASSED

COUNTED = (
    "usage",
    "change.updated",
    "validation.finished",
    "review.finished",
    "gate.finished",
    "pr.created",
    "pr.updated",
)


def done(events: list[LoggedEvent]) -> list[int]:
    """How often each thing was done, of a run that came to its end."""
    assert story(events)[-1] == "finished:succeeded", story(events)
    kinds = Counter(event.type for event in events)
    return [kinds[kind] for kind in COUNTED]


@pytest.mark.parametrize("node", ["plan", "code", "review", "publish"])
async def test_a_run_is_cancelled_and_resumed_in_one_node_again_and_again(
    house: House, node: str
) -> None:
    house.pace.hold(node)
    async with house.open() as service:
        run_id = await started(service)
        for calls in (1, 2, 3):
            await house.pace.reached(node, calls)
            await service.cancel(run_id, ME)
            assert story(await log_of(service, run_id))[-1] == "finished:cancelled"
            await service.resume(run_id, ME)
        await house.pace.reached(node, 4)
        house.pace.let_go(node)
        assert done(await log_of(service, run_id)) == [3, 1, 1, 1, 1, 1, 0]


async def cancelled(service: RunService, house: House) -> str:
    """Twice in one node, so that the next command takes the place of another."""
    house.pace.hold("code")
    run_id = await started(service)
    await house.pace.reached("code")
    await service.cancel(run_id, ME)
    await log_of(service, run_id)
    await service.resume(run_id, ME)
    await house.pace.reached("code", 2)
    await service.cancel(run_id, ME)
    await log_of(service, run_id)
    house.pace.let_go("code")
    return run_id


async def incomplete(service: RunService, house: House) -> str:
    """Nothing is due in its graph: the command alone says where it goes on."""
    house.script.validations = [FAILED, PASSED]
    run_id = await started(service, max_fix_rounds=0)
    assert story(await log_of(service, run_id))[-1] == "finished:incomplete"
    return run_id


async def test_a_command_that_was_not_kept_is_given_again(house: House) -> None:
    """Copies of the checkpoints, for one, are only as new as the newest checkpoint."""
    async with house.open() as service:
        run_id = await incomplete(service, house)
        house.pace.hold("fix")
        await service.resume(run_id, ME, RaisedLimits(max_fix_rounds=3))
        await house.pace.reached("fix")
    async with open_checkpointer(RunFolder.of(house.folder / "runs", run_id).checkpoint) as saver:
        await saver.discard_command({"configurable": {"thread_id": run_id}})
    house.pace.let_go("fix")
    async with house.open() as service:
        assert done(await log_of(service, run_id)) == [4, 2, 2, 1, 2, 1, 1]


async def killed(service: RunService, run_id: str) -> None:
    """No more than its process was."""


async def killed_and_cancelled(service: RunService, run_id: str) -> None:
    if (await service.get(run_id, ME)).status == "succeeded":
        return
    await service.cancel(run_id, ME)
    if story(await log_of(service, run_id))[-1] == "finished:cancelled":
        await service.resume(run_id, ME)


@pytest.mark.slow
@pytest.mark.parametrize("stopped", [killed, killed_and_cancelled])
@pytest.mark.parametrize("ended", [cancelled, incomplete])
async def test_a_resumed_run_that_is_stopped_at_any_moment_does_nothing_twice(
    house: House, tmp_path_factory: pytest.TempPathFactory, ended: Any, stopped: Any
) -> None:
    moments = Moments(house, tmp_path_factory.mktemp("moments"))
    async with moments.open() as service:
        run_id = await ended(service, house)
        await service._dispatch.wait_settled(run_id)
        moments.watching = True
        await service.resume(run_id, ME, RaisedLimits(max_fix_rounds=3))
        expected = done(await log_of(service, run_id))
        moments.watching = False

    async def left(behind: House) -> list[int]:
        async with behind.open() as service:
            await stopped(service, run_id)
            return done(await log_of(service, run_id))

    assert len(moments.houses) > 20
    assert await asyncio.gather(*map(left, moments.houses)) == [expected] * len(moments.houses)


async def test_a_node_that_fails_says_why_wherever_its_process_is_killed(
    house: House, tmp_path_factory: pytest.TempPathFactory
) -> None:
    house.script.changes = [SandboxLost("It went away.")]
    moments = Moments(house, tmp_path_factory.mktemp("moments"), watching=True)
    async with moments.open() as service:
        run_id = await started(service)
        await log_of(service, run_id)
        moments.watching = False

    async def left(behind: House) -> tuple[str, str]:
        async with behind.open() as service:
            events = await log_of(service, run_id)
        return story(events)[-1], events[-1].data["error"]["message"]

    told = await asyncio.gather(*map(left, moments.houses))
    assert set(told) == {("finished:failed", "It went away.")}
