"""The life of runs in one process: start, watch, list, answer, message, remove."""

import asyncio
import json
from typing import Any

import pytest

from graph.errors import (
    IdempotencyMismatch,
    InvalidRequest,
    LimitRaised,
    PlanChanged,
    RunActive,
    RunFinished,
    RunNotFound,
    RunNotWaiting,
    RunNotYours,
    TooManyReaders,
    TooManyRuns,
)
from graph.files.run_folder import RunFolder
from graph.values import Approval, Plan
from runs.model.attempts import Step
from runs.model.log_entry import entry_of
from runs.model.operator_limits import RaisedLimits
from runs.model.run_id import new_run_id
from runs.model.run_record import Caller
from tests.standins.services.run_service import (
    ME,
    REQUEST,
    House,
    log_of,
    seen,
    started,
    story,
)
from tests.standins.services.scripted_services import BASE, FAILED, PASSED

YOU = Caller("you")


async def test_a_run_tells_its_story_from_start_to_end(house: House) -> None:
    house.script.validations = [FAILED, PASSED]
    async with house.open() as service:
        run_id = await started(service, base_branch="main", model="m2")
        events = await log_of(service, run_id)
        assert story(events) == [
            "started",
            "prepare1",
            "prepare:ok",
            "plan1",
            "plan:ok",
            "code1",
            "code:ok",
            "validate1",
            "validate:failed",
            "fix1",
            "fix:ok",
            "validate2",
            "validate:passed",
            "review1",
            "review:approved",
            "publish1",
            "publish:ok",
            "finished:succeeded",
        ]
        begun, end = events[0].data, events[-1].data
        assert begun | {"type": "run.started"} == {
            "type": "run.started",
            "repoUrl": "octocat/hello",
            "prompt": REQUEST["prompt"],
            "baseBranch": "main",
            "models": dict.fromkeys(("planner", "coder", "reviewer", "fixer"), "m2"),
            "version": "1.0",
            "attempt": 1,
        }
        assert end["usage"]["input_tokens"] == 400
        assert end["costUsd"] == pytest.approx(0.04)
        assert end["prUrl"].endswith("/pull/1")
        assert end["branch"].startswith("agent/coder-title-")
        for event in events:
            told = json.loads(event.payload)
            assert (told["seq"], told["runId"], told["type"]) == (event.seq, run_id, event.type)
        assert (await service.get(run_id, ME)).status == "succeeded"
    assert house.closed == []


async def test_the_view_of_a_run(house: House) -> None:
    house.script.validations = [FAILED, PASSED]
    async with house.open() as service:
        run_id = await started(service)
        await log_of(service, run_id)
        view = await service.view(run_id, ME)
        assert view["status"] == "succeeded"
        assert view["node"] == "publish"
        assert view["plan"]["summary"] == "do it"
        assert [validation["status"] for validation in view["validations"]] == ["failed", "passed"]
        assert [review["verdict"] for review in view["reviews"]] == ["approve"]
        assert view["gate"] == {"passed": True, "findings": []}
        assert view["baseSha"] == BASE.sha
        assert view["pr"]["number"] == 1
        assert view["pr"]["draft"] is False
        assert view["error"] is None
        assert view["costUsd"] == pytest.approx(0.04)
        assert view["usage"]["output_tokens"] == 40
        assert set(view["roles"]) == {"planner", "coder", "reviewer", "fixer"}
        assert view["roles"]["fixer"]["costUsd"] == 0.01
        assert view["createdAt"] < view["updatedAt"]


async def test_an_error_ends_a_run_with_its_code_and_no_internals(house: House) -> None:
    house.script.changes = [KeyError("sk-secret")]
    async with house.open() as service:
        run_id = await started(service)
        events = await log_of(service, run_id)
        assert story(events)[-2:] == ["code:error", "finished:failed"]
        error = events[-1].data["error"]
        assert error["code"] == "internal"
        assert "sk-secret" not in json.dumps([event.data for event in events])
        assert (await service.view(run_id, ME))["error"] == error
    assert house.closed == [run_id]


async def test_another_owners_run_is_not_there(house: House) -> None:
    async with house.open() as service:
        run_id = await started(service)
        await log_of(service, run_id)
        for call in (
            service.get(run_id, YOU),
            service.view(run_id, YOU),
            service.diff(run_id, YOU),
            service.cancel(run_id, YOU),
            service.resume(run_id, YOU),
            service.message(run_id, YOU, "hi"),
            service.delete(run_id, YOU),
            service.answer_plan(run_id, YOU, Approval(decision="approve")),
            service.get(new_run_id(), ME),
        ):
            with pytest.raises(RunNotFound):
                await call
        with pytest.raises(RunNotFound):
            await service.wait(new_run_id(), 0)
        assert (await service.get(run_id, Caller("chief", operator=True))).owner == "local"


async def test_runs_are_listed_page_by_page(house: House) -> None:
    async with house.open() as service:
        ids = [await started(service) for _ in range(3)]
        record, _ = await service.start({**REQUEST, "repo_url": "a/b"}, owner="you")
        for run_id in (*ids, record.run_id):
            await log_of(service, run_id)
        page, cursor = await service.list(ME, status=None, repo=None, limit=2, cursor=None)
        assert [run.run_id for run in page] == [ids[2], ids[1]]
        rest, end = await service.list(ME, status=None, repo=None, limit=2, cursor=cursor)
        assert [run.run_id for run in rest] == [ids[0]]
        assert end is None
        chief = Caller("chief", operator=True)
        assert len((await service.list(chief, limit=100))[0]) == 4
        assert [run.owner for run in (await service.list(chief, repo="A/B"))[0]] == ["you"]
        assert (await service.list(ME, status="failed"))[0] == []
        assert record.request["requested_by"] == "you"
        with pytest.raises(InvalidRequest, match="cursor"):
            await service.list(ME, cursor="x' OR 1=1")
        with pytest.raises(InvalidRequest, match="limit"):
            await service.list(ME, limit=0)


async def test_an_idempotency_key_joins_the_run_it_started(house: House) -> None:
    async with house.open() as service:
        first, new = await service.start(REQUEST, owner="me", idempotency_key="k")
        assert new
        again, new = await service.start(REQUEST, owner="me", idempotency_key="k")
        assert (again.run_id, new) == (first.run_id, False)
        other, new = await service.start(REQUEST, owner="you", idempotency_key="k")
        assert new
        with pytest.raises(IdempotencyMismatch):
            await service.start({**REQUEST, "draft": True}, owner="me", idempotency_key="k")
        with pytest.raises(LimitRaised):
            await service.start({**REQUEST, "timeout_s": 9999}, owner="me", idempotency_key="n")
        assert (await service.start(REQUEST, owner="me", idempotency_key="n"))[1]
        for run_id in (first.run_id, other.run_id):
            await log_of(service, run_id)


async def test_runs_queue_for_slots_and_the_queue_is_bounded(house: House) -> None:
    house.pace.hold("code")
    async with house.open(max_concurrent=2, max_queued=2) as service:
        ids = [await started(service) for _ in range(4)]
        with pytest.raises(TooManyRuns):
            await service.start(REQUEST, owner="local")
        assert [(await service.get(run_id, ME)).status for run_id in ids[2:]] == ["queued"] * 2
        queued = [await seen(service, run_id, "run.queued") for run_id in ids[2:]]
        assert [event.data["position"] for event in queued] == [1, 2]
        await house.pace.reached("code", 2)
        await asyncio.sleep(0.1)
        assert house.pace.calls("code") == 2
        house.pace.let_go("code")
        logs = [await log_of(service, run_id) for run_id in ids]
        assert [story(log)[0] for log in logs] == ["started", "started", "queued", "queued"]
        assert {story(log)[-1] for log in logs} == {"finished:succeeded"}


async def test_a_waiting_run_holds_no_slot(house: House) -> None:
    async with house.open(max_concurrent=1) as service:
        waiting = await started(service, approve_plan=True)
        asked = await seen(service, waiting, "plan.waiting")
        await asyncio.sleep(0.05)
        assert (await service.get(waiting, ME)).status == "waiting"
        assert (await service.view(waiting, ME))["planId"] == asked.data["planId"] == "plan-1"
        other = await started(service)
        assert story(await log_of(service, other))[-1] == "finished:succeeded"
        await service.answer_plan(waiting, ME, Approval(decision="approve", plan_id="plan-1"))
        told = [word for word in story(await log_of(service, waiting)) if word != "queued"]
        assert told[5:8] == ["approve1", "approve:approved", "code1"]
        assert told[-1] == "finished:succeeded"


async def test_a_plan_is_revised_then_replaced(house: House) -> None:
    house.script.plans = [Plan(summary="first"), Plan(summary="second")]
    async with house.open() as service:
        run_id = await started(service, approve_plan=True)
        first = await seen(service, run_id, "plan.waiting")
        await service.answer_plan(run_id, ME, Approval(decision="revise", feedback="smaller"))
        second = await seen(service, run_id, "plan.waiting", after=first.seq)
        assert second.data["planId"] != first.data["planId"]
        stale = Approval(decision="approve", plan_id=first.data["planId"])
        with pytest.raises(PlanChanged):
            await service.answer_plan(run_id, ME, stale)
        mine = Plan(summary="mine", validate=("make",))
        answer = Approval(decision="approve", plan_id=second.data["planId"], plan=mine)
        await service.answer_plan(run_id, ME, answer)
        told = story(await log_of(service, run_id))
        assert told[5:12] == [
            "approve1",
            "approve:revised",
            "plan2",
            "plan:ok",
            "approve2",
            "approve:approved",
            "code1",
        ]
        view = await service.view(run_id, ME)
        assert view["plan"]["summary"] == "mine"
        assert view["plan"]["validate"] == ["make"]
        task = next(task for task in house.script.tasks if task.role == "coder")
        assert task.plan == mine


async def test_a_rejected_plan_ends_the_run_for_good(house: House) -> None:
    async with house.open() as service:
        run_id = await started(service, approve_plan=True)
        await seen(service, run_id, "plan.waiting")
        await service.answer_plan(run_id, ME, Approval(decision="reject"))
        assert story(await log_of(service, run_id))[-2:] == [
            "approve:rejected",
            "finished:rejected",
        ]
        with pytest.raises(RunNotWaiting):
            await service.answer_plan(run_id, ME, Approval(decision="approve"))
        with pytest.raises(RunFinished):
            await service.resume(run_id, ME)


async def test_readers_are_counted(house: House) -> None:
    async with house.open(max_readers=2) as service:
        with service.readers(), service.readers():  # noqa: SIM117 - two that stay, one too many
            with pytest.raises(TooManyReaders), service.readers():
                pass
        with service.readers():
            pass


async def test_waiting_for_a_run(house: House) -> None:
    house.pace.hold("code")
    async with house.open() as service:
        run_id = await started(service)
        assert (await service.wait(run_id, 0.05)).status in ("queued", "running")
        wait = asyncio.create_task(service.wait(run_id, 30))
        await house.pace.reached("code")
        house.pace.let_go("code")
        assert (await wait).status == "succeeded"


async def test_messages_become_whole_files(house: House) -> None:
    house.pace.hold("code")
    async with house.open() as service:
        run_id = await started(service)
        await asyncio.gather(*(service.message(run_id, ME, f"text {n} \ud800") for n in range(5)))
        folder = RunFolder.of(house.folder / "runs", run_id).root / "messages"
        assert sorted(path.name for path in folder.iterdir()) == [
            f"{number:04d}.json" for number in range(1, 6)
        ]
        messages = [json.loads(path.read_text()) for path in folder.iterdir()]
        assert sorted(message["text"] for message in messages) == [
            f"text {n} \ud800" for n in range(5)
        ]
        for _ in range(2):
            await service.message(run_id, ME, "of a call that is begun again", call="in-1")
        assert len(list(folder.iterdir())) == 6
        house.pace.let_go("code")
        await log_of(service, run_id)
        with pytest.raises(RunFinished):
            await service.message(run_id, ME, "late")


async def test_the_newest_diff(house: House) -> None:
    async with house.open() as service:
        run_id = await started(service)
        await log_of(service, run_id)
        assert await service.diff(run_id, ME) is None
        folder = RunFolder.of(house.folder / "runs", run_id)
        for step in (2, 10):
            folder.diff(step).parent.mkdir(exist_ok=True)
            folder.diff(step).write_bytes(b"diff %d" % step)
        assert await service.diff(run_id, ME) == b"diff 10"


async def test_a_removed_run_leaves_nothing(house: House) -> None:
    house.pace.hold("code")
    async with house.open() as service:
        run_id = await started(service)
        folder = RunFolder.of(house.folder / "runs", run_id).root
        await house.pace.reached("code")
        with pytest.raises(RunActive):
            await service.delete(run_id, ME)
        house.pace.let_go("code")
        await log_of(service, run_id)
        assert folder.is_dir()
        await service.delete(run_id, ME)
        assert not folder.exists()
        assert [event async for event in service.events(run_id)] == []
        with pytest.raises(RunNotFound):
            await service.delete(run_id, ME)


async def test_ready_until_it_stops(house: House) -> None:
    async with house.open() as service:
        assert await service.ready() is None
    assert await service.ready() == "stopping"
    with pytest.raises(TooManyRuns):
        await service.start(REQUEST, owner="local")


@pytest.mark.parametrize("field", ["repo_url", "prompt"])
async def test_a_request_that_lacks_a_field_stores_nothing(house: House, field: str) -> None:
    request: Any = {name: value for name, value in REQUEST.items() if name != field}
    async with house.open() as service:
        with pytest.raises(InvalidRequest, match=field):
            await service.start(request, owner="local", idempotency_key="k")
        assert (await service.list(ME))[0] == []


async def test_a_page_of_large_events_holds_fewer(house: House) -> None:
    async with house.open() as service:
        run_id = await started(service)
        await log_of(service, run_id)
        text = "x" * 60_000
        large = [entry_of("", {"type": "role.text", "role": "coder", "text": text})] * 100
        run = await service.get(run_id, ME)
        store = house.store(house.database)
        await store.open()
        try:
            await store.transact(run_id, lambda run: Step(run, tuple(large)))
        finally:
            await store.close()
        before = run.last_seq + 101
        page = await service.page(run_id, before, 100)
        assert 1 < len(page) < 100
        assert page[-1].seq == before - 1
        small = await service.page(run_id, 4, 2)
        assert [event.seq for event in small] == [2, 3]


async def test_a_colleague_reads_a_run_and_does_not_steer_it(house: House) -> None:
    team = Caller("you", reads_repo=lambda repo_url: repo_url == REQUEST["repo_url"])
    async with house.open() as service:
        run_id = await started(service)
        other, _ = await service.start({**REQUEST, "repo_url": "a/b"}, owner="local")
        for each in (run_id, other.run_id):
            await log_of(service, each)
        assert (await service.view(run_id, team))["owner"] == "local"
        assert [run.run_id for run in (await service.list(team, limit=1))[0]] == [run_id]
        with pytest.raises(RunNotFound):
            await service.get(other.run_id, team)
        for call in (
            service.cancel(run_id, team),
            service.resume(run_id, team),
            service.message(run_id, team, "hi"),
            service.delete(run_id, team),
            service.answer_plan(run_id, team, Approval(decision="approve")),
        ):
            with pytest.raises(RunNotYours):
                await call


async def test_each_act_names_who_did_it(house: House) -> None:
    house.pace.hold("code")
    chief = Caller("chief", operator=True)
    async with house.open() as service:
        run_id = await started(service, approve_plan=True, max_fix_rounds=1)
        await seen(service, run_id, "plan.waiting")
        plan_id = (await service.view(run_id, ME))["planId"]
        await service.answer_plan(run_id, ME, Approval(decision="approve", plan_id=plan_id))
        await seen(service, run_id, "plan.answered")
        await service.message(run_id, chief, "Mind the tests.")
        await service.cancel(run_id, chief)
        house.pace.let_go("code")
        await log_of(service, run_id)
        await service.resume(run_id, ME, RaisedLimits(max_fix_rounds=2))
        events = await log_of(service, run_id)
        view = await service.view(run_id, ME)
    acts = [(event.type, event.data["by"]) for event in events if "by" in event.data]
    assert acts == [
        ("plan.answered", "local"),
        ("message.received", "chief"),
        ("cancel.requested", "chief"),
        ("run.resumed", "local"),
        ("limits.raised", "local"),
    ]
    raised = next(event.data for event in events if event.type == "limits.raised")
    assert raised == {"type": "limits.raised", "maxFixRounds": 2, "by": "local"}
    (message,) = view["messages"]
    assert (message["text"], message["by"], message["state"]) == (
        *("Mind the tests.", "chief"),
        "queued",
    )


async def test_the_audit_tells_who_did_what(house: House) -> None:
    chief = Caller("chief", operator=True)
    async with house.open() as service:
        run_id = await started(service, approve_plan=True)
        await seen(service, run_id, "plan.waiting")
        reject = Approval(decision="reject", feedback="Not so.")
        await service.answer_plan(run_id, ME, reject)
        await log_of(service, run_id)
        await service.delete(run_id, chief)
        acts, following = await service.acts(ME, limit=1)
        assert [act.kind for act in acts] == ["run.removed"]
        rest, end = await service.acts(ME, limit=1, cursor=following)
        assert [act.row()["act"] for act in rest] == ["plan.answered"]
        assert rest[0].row()["details"]["decision"] == "reject"
        assert "feedback" not in rest[0].row()["details"]
        assert end is None
        assert len((await service.acts(chief, limit=9))[0]) == 2
        assert (await service.acts(YOU, limit=9))[0] == []
        with pytest.raises(InvalidRequest):
            await service.acts(ME, limit=1, cursor="1.0_x'; DROP")
