"""Stop means stop: in every node, while queued and while waiting; and what can be resumed after."""

import asyncio
import errno
from contextlib import suppress

import pytest

from graph.errors import (
    ClaudeUnavailable,
    CodingAgentError,
    ContextExceeded,
    ForgeUnavailable,
    LimitRaised,
    PatchTooLarge,
    PushRejected,
    RoleTurnLimit,
    RunActive,
    RunFinished,
    SandboxLost,
    SandboxUnavailable,
    StoreDamaged,
)
from graph.events import Emit
from graph.publication import GateReport
from graph.tasks import ChangeResult, RoleTask
from graph.values import Approval
from runs.model.operator_limits import RaisedLimits
from tests.standins.services.run_service import (
    ME,
    House,
    log_of,
    seen,
    started,
    story,
)
from tests.standins.services.scripted_services import (
    FAILED,
    PASSED,
    REJECTED,
    UNAVAILABLE,
)


@pytest.mark.parametrize("node", ["plan", "code", "review", "fix", "publish"])
async def test_a_run_is_cancelled_in_every_node_and_resumed_there(house: House, node: str) -> None:
    if node == "fix":
        house.script.validations = [FAILED, PASSED]
    house.pace.hold(node)
    async with house.open() as service:
        run_id = await started(service)
        await house.pace.reached(node)
        assert await service.cancel(run_id, ME) is True
        async with asyncio.timeout(60):
            events = await log_of(service, run_id)
        assert story(events)[-3:] == [f"{node}1", f"{node}:stopped", "finished:cancelled"]
        assert events[-1].data["attempt"] == 1
        assert await service.cancel(run_id, ME) is False
        assert (await service.get(run_id, ME)).node == node
        assert house.closed == [run_id]
        assert house.pace.done(node) == 0

        house.pace.let_go(node)
        record = await service.resume(run_id, ME)
        assert (record.status in {"queued", "running"}, record.attempt) == (True, 2)
        later = await log_of(service, run_id, after=events[-1].seq)
        assert story(later)[:3] == [
            "resumed",
            f"{node}2",
            f"{node}:ok".replace("review:ok", "review:approved"),
        ]
        assert later[0].data["reason"] == "resumed"
        assert story(later)[-1] == "finished:succeeded"
        assert later[-1].data["attempt"] == 2
        roles = 4 if node == "fix" else 3
        assert later[-1].data["costUsd"] == pytest.approx(0.01 * roles)  # no reply counted twice


async def test_a_queued_run_is_cancelled_at_once(house: House) -> None:
    house.pace.hold("code")
    async with house.open(max_concurrent=1) as service:
        first, second = await started(service), await started(service)
        await house.pace.reached("code")
        assert await service.cancel(second, ME) is True
        assert story(await log_of(service, second)) == ["queued", "finished:cancelled"]
        assert await service.cancel(second, ME) is False
        assert (await service.resume(second, ME)).status == "queued"
        house.pace.let_go("code")
        assert story(await log_of(service, second))[2:5] == ["resumed", "queued", "started"]
        assert story(await log_of(service, first))[-1] == "finished:succeeded"
        with pytest.raises(RunFinished):
            await service.cancel(first, ME)


async def test_a_waiting_run_is_cancelled_at_once_and_asks_again(house: House) -> None:
    async with house.open() as service:
        run_id = await started(service, approve_plan=True)
        asked = await seen(service, run_id, "plan.waiting")
        for times in (1, 2):
            await asyncio.sleep(0.05)
            assert await service.cancel(run_id, ME) is True
            events = await log_of(service, run_id)
            assert story(events)[-2:] == ["approve:stopped", "finished:cancelled"]
            assert house.closed == [run_id] * times
            await service.resume(run_id, ME)
            again = await seen(service, run_id, "plan.waiting", after=events[-1].seq)
            assert again.data == asked.data
        await service.answer_plan(run_id, ME, Approval(decision="approve"))
        told = story(await log_of(service, run_id, after=events[-1].seq))
        assert told[:4] == ["resumed", "approve3", "approve:approved", "code1"]


async def test_only_an_ended_run_can_be_resumed(house: House) -> None:
    house.pace.hold("code")
    async with house.open() as service:
        run_id = await started(service)
        await house.pace.reached("code")
        with pytest.raises(RunActive):
            await service.resume(run_id, ME)
        house.pace.let_go("code")
        await log_of(service, run_id)
        with pytest.raises(RunFinished):
            await service.resume(run_id, ME)


@pytest.mark.parametrize(
    ("script", "status", "node"),
    [
        ({"publish_error": PushRejected("no")}, "failed", "publish"),
        ({"prepare_error": ForgeUnavailable("no")}, "failed", "prepare"),
        ({"gates": [GateReport(passed=False)]}, "blocked", "publish"),
        ({"validations": [UNAVAILABLE]}, "incomplete", "validate"),
        ({"reviews": [REJECTED]}, "incomplete", "fix"),
        ({"changes": ["budget"]}, "budget_exhausted", "code"),
        ({"changes": ["time"]}, "timed_out", "code"),
    ],
)
async def test_a_run_goes_on_where_it_stopped(
    house: House, script: dict[str, object], status: str, node: str
) -> None:
    sound = dict(vars(house.script))
    vars(house.script).update(script)
    async with house.open() as service:
        run_id = await started(service, max_cost_usd=1)
        events = await log_of(service, run_id)
        assert events[-1].data["status"] == status
        for name in script:
            setattr(house.script, name, sound[name])
        house.script.changes, house.script.reviews = ["other"], sound["reviews"]
        with pytest.raises(LimitRaised):
            await service.resume(run_id, ME, RaisedLimits(max_cost_usd=6))
        record = await service.resume(run_id, ME, RaisedLimits(max_cost_usd=2))
        assert record.request["max_cost_usd"] == 2
        later = await log_of(service, run_id, after=events[-1].seq)
        assert story(later)[1].startswith(node), story(later)
        assert later[-1].data["status"] in ("succeeded", "incomplete"), later[-1].data


async def test_a_failure_says_code_and_hint(house: House) -> None:
    house.script.publish_error = PushRejected("The branch is protected.", "Unprotect it.")
    async with house.open() as service:
        run_id = await started(service)
        events = await log_of(service, run_id)
        assert story(events)[-2:] == ["publish:error", "finished:failed"]
        assert events[-1].data["error"] == {
            "code": "push_refused",
            "message": "The branch is protected.",
            "hint": "Unprotect it.",
            "node": "publish",
        }


@pytest.mark.parametrize(
    ("script", "code", "node"),
    [
        ({"plans": [ClaudeUnavailable("no answer")]}, "claude_unavailable", "plan"),
        ({"plans": [ContextExceeded("too long")]}, "context_exceeded", "plan"),
        ({"changes": [SandboxLost("it went away")]}, "sandbox_lost", "code"),
        ({"changes": [SandboxUnavailable("none holds")]}, "sandbox_unavailable", "code"),
        ({"changes": [PatchTooLarge("65 MiB")]}, "patch_too_large", "code"),
        ({"changes": [OSError(errno.ENOSPC, "No space left on device")]}, "store_full", "code"),
        ({"changes": [RuntimeError("of our own making")]}, "internal", "code"),
        ({"validations": [SandboxLost("it went away")]}, "sandbox_lost", "validate"),
        ({"reviews": [RoleTurnLimit("100 turns")]}, "role_turn_limit", "review"),
        ({"gates": [StoreDamaged("not the bytes")]}, "store_damaged", "review"),
    ],
)
async def test_broken_machinery_ends_a_run_with_code_and_hint_and_it_is_resumed_there(
    house: House, script: dict[str, object], code: str, node: str
) -> None:
    sound = dict(vars(house.script))
    vars(house.script).update(script)
    async with house.open() as service:
        run_id = await started(service)
        events = await log_of(service, run_id)
        error = events[-1].data["error"]
        assert (events[-1].data["status"], error["code"], error["node"]) == ("failed", code, node)
        assert error["hint"]
        assert "of our own making" not in events[-1].payload
        for name in script:
            setattr(house.script, name, sound[name])
        await service.resume(run_id, ME)
        later = await log_of(service, run_id, after=events[-1].seq)
        assert story(later)[1].startswith(node)
        assert later[-1].data["status"] == "succeeded"


class StubbornCoder:
    """Finishes what it does before it lets itself be stopped."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()

    async def __call__(self, task: RoleTask, emit: Emit) -> ChangeResult:
        self.begun.set()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await asyncio.sleep(0.3)
        raise CodingAgentError("stopped in the middle")


async def test_a_role_may_tidy_up_before_it_stops(house: House) -> None:
    coder = StubbornCoder()
    house.roles = {"coder": coder}
    async with house.open() as service:
        run_id = await started(service)
        await coder.begun.wait()
        assert await service.cancel(run_id, ME) is True
        assert await service.cancel(run_id, ME) is False
        events = await log_of(service, run_id)
        assert story(events)[-2:] == ["code:stopped", "finished:cancelled"]
        assert [event.type for event in events].count("run.finished") == 1
