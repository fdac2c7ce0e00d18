"""The commands over this machine's own runs: real service, real store, scripted roles."""

import asyncio
import io
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from api.cli.run_arguments import RunOrder
from api.cli.watched_run import WatchedRun
from api.client.local_runs import LocalRuns
from api.terminal.display.plain_display import PlainDisplay
from api.terminal.display.run_display import RunDisplay
from api.terminal.display.script_display import ResultDisplay
from api.terminal.report.run_report import report_lines
from graph.errors import (
    CodingAgentError,
    PlanChanged,
    RunAbandoned,
    RunActive,
    RunFinished,
    RunNotFound,
)
from graph.request.run_request import RunRequest
from graph.values import Approval
from runs.model import RaisedLimits
from tests.standins.services.run_service import House
from tests.standins.services.scripted_services import FAILED
from tests.support.polling import until

REQUEST = RunRequest(repo_url="octocat/hello", prompt="Say hello twice")


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@asynccontextmanager
async def local(house: House) -> AsyncIterator[LocalRuns]:
    """The runs as one command has them."""
    async with house.open(pick_up=False) as service:
        yield LocalRuns(service, patience_s=0.1)


def watched(runs: LocalRuns, display: RunDisplay) -> WatchedRun:
    return WatchedRun(runs, display, suffix="", asks=False)


async def started(runs: LocalRuns, **more: object) -> str:
    return await runs.start({**REQUEST, **more})  # type: ignore[typeddict-item]


async def ended(runs: LocalRuns, run_id: str) -> list[str]:
    async with asyncio.timeout(60):
        return [event["type"] async for event in runs.events(run_id)]


async def test_a_run_goes_to_its_end_in_this_process(house: House) -> None:
    out = io.StringIO()
    async with local(house) as runs:
        with ResultDisplay(out) as quiet:
            order = RunOrder(REQUEST, "Starts from HEAD.", None)
            assert await watched(runs, quiet).run(order) == 0
    assert out.getvalue().startswith("succeeded  ")


async def test_events_are_the_payloads_in_order(house: House) -> None:
    async with local(house) as runs:
        run_id = await started(runs)
        events = [event async for event in runs.events(run_id)]
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        assert {event["runId"] for event in events} == {run_id}
        view = await runs.view(run_id)
        assert (view["runId"], view["status"]) == (run_id, "succeeded")


async def test_runs_are_listed_page_by_page(house: House) -> None:
    async with local(house) as runs:
        ids = [await started(runs) for _ in range(3)]
        for run_id in ids:
            await ended(runs, run_id)
        page, cursor = await runs.list(status="succeeded", repo=None, limit=2)
        rest, end = await runs.list(status=None, repo=None, limit=2, cursor=cursor)
    assert [row["runId"] for row in page + rest] == ids[::-1]
    assert end is None
    assert page[0]["prompt"] == REQUEST["prompt"]
    assert page[0]["createdAt"].endswith("Z")


async def test_a_plan_answered_by_another_command_goes_on_there(house: House) -> None:
    out, other_out = io.StringIO(), io.StringIO()
    async with local(house) as runs:
        run_id = await started(runs, approve_plan=True)
        with PlainDisplay(out) as display:
            watching = asyncio.create_task(watched(runs, display).watch(run_id))
            await until(lambda: "coding-agent approve" in out.getvalue())
            async with local(house) as others:
                with PlainDisplay(other_out) as other:
                    assert await watched(others, other).answer(run_id, "approve", "") == 0
            assert await watching == 0
    assert f"coding-agent approve {run_id}\n" in out.getvalue()
    assert "✓ approve  approved" in out.getvalue()
    assert "✓ approve  approved" in other_out.getvalue()


async def test_a_stale_answer_is_refused(house: House) -> None:
    async with local(house) as runs:
        run_id = await started(runs, approve_plan=True)
        async for event in runs.events(run_id):
            if event["type"] == "plan.waiting":
                break
        with pytest.raises(PlanChanged):
            await runs.answer_plan(run_id, Approval(plan_id="plan-0", decision="approve"))
        await runs.answer_plan(run_id, Approval(plan_id="plan-1", decision="reject"))
        assert (await ended(runs, run_id))[-1] == "run.finished"
        assert (await runs.view(run_id))["status"] == "rejected"
        with pytest.raises(CodingAgentError) as caught:
            await watched(runs, ResultDisplay(io.StringIO())).answer(run_id, "approve", "")
    assert caught.value.code == "run_not_waiting"


async def test_an_interrupt_cancels_the_run_and_waits_for_its_end(house: House) -> None:
    house.pace.hold("code")
    out = io.StringIO()
    async with local(house) as runs:
        with PlainDisplay(out) as display:
            order = RunOrder(REQUEST, "", None)
            running = asyncio.create_task(watched(runs, display).run(order))
            await house.pace.reached("code")
            os.kill(os.getpid(), signal.SIGINT)
            async with asyncio.timeout(60):
                assert await running == 130
        (row,), _ = await runs.list(status=None, repo=None, limit=9)
        assert row["status"] == "cancelled"
    assert "Cancelled: nothing was published" in out.getvalue()
    assert f"coding-agent resume {row['runId']}" in out.getvalue()


async def test_a_cancelled_run_is_resumed_to_its_end(house: House) -> None:
    house.pace.hold("code")
    async with local(house) as runs:
        run_id = await started(runs)
        await house.pace.reached("code")
        with pytest.raises(RunActive):
            await runs.resume(run_id, RaisedLimits())
        with pytest.raises(RunActive):
            await runs.delete(run_id)
        await runs.cancel(run_id)
        await ended(runs, run_id)
    house.pace.let_go("code")
    out = io.StringIO()
    async with local(house) as runs:
        with ResultDisplay(out) as quiet:
            assert await watched(runs, quiet).resume(run_id, RaisedLimits()) == 0
        with pytest.raises(RunFinished):
            await runs.cancel(run_id)
    assert out.getvalue().startswith("succeeded")


async def test_raised_limits_carry_a_run_further(house: House) -> None:
    house.script.validations = [FAILED]
    async with local(house) as runs:
        run_id = await started(runs, max_fix_rounds=0)
        await ended(runs, run_id)
        assert (await runs.view(run_id))["status"] == "incomplete"
        await runs.resume(run_id, RaisedLimits(max_fix_rounds=1))
        await ended(runs, run_id)
    assert house.pace.calls("fix") == 1


async def test_a_message_waits_for_the_role(house: House) -> None:
    house.pace.hold("code")
    async with local(house) as runs:
        run_id = await started(runs)
        await house.pace.reached("code")
        await runs.message(run_id, "Keep it short")
        await runs.cancel(run_id)
        await ended(runs, run_id)
        with pytest.raises(RunFinished):
            await runs.message(run_id, "Too late")


async def test_a_removed_run_is_gone(house: House) -> None:
    async with local(house) as runs:
        run_id = await started(runs)
        await ended(runs, run_id)
        assert await runs.diff(run_id) is None
        await runs.delete(run_id)
        for ask in (runs.view(run_id), runs.diff(run_id), runs.cancel(run_id)):
            with pytest.raises(RunNotFound):
                await ask
        with pytest.raises(RunNotFound):
            await ended(runs, run_id)


async def left_behind(house: House, node: str) -> str:
    """A run in the middle of a node, whose process has gone."""
    house.pace.hold(node)
    async with local(house) as runs:
        run_id = await started(runs)
        await house.pace.reached(node)
    house.pace.let_go(node)
    return run_id


async def test_a_run_that_nobody_drives_is_shown_as_such(house: House) -> None:
    run_id = await left_behind(house, "code")
    async with local(house) as runs:
        (row,), _ = await runs.list(status=None, repo=None, limit=1)
        view = await runs.view(run_id)
        assert (row["status"], row["abandoned"]) == ("running", True)
        assert (view["status"], view["abandoned"]) == ("running", True)
        lines = [line.text for line in report_lines(view)]
        assert "Running, but no process drives it (in code)" in lines
        assert any(f"coding-agent resume {run_id}" in line for line in lines)
        async with house.open():
            assert (await runs.view(run_id))["abandoned"] is False
            assert (await ended(runs, run_id))[-1] == "run.finished"


async def test_watching_a_run_that_nobody_drives_ends_with_what_to_do(house: House) -> None:
    run_id = await left_behind(house, "code")
    out = io.StringIO()
    async with local(house) as runs, asyncio.timeout(60):
        with PlainDisplay(out) as display, pytest.raises(RunAbandoned) as raised:
            await watched(runs, display).watch(run_id)
    assert f"coding-agent resume {run_id}" in raised.value.hint
    assert "plan" in out.getvalue()


async def test_a_watcher_stays_while_a_server_comes_back(house: House) -> None:
    run_id = await left_behind(house, "code")
    async with house.open(pick_up=False) as service:
        runs = LocalRuns(service, patience_s=1.0)
        watching = asyncio.create_task(ended(runs, run_id))
        await asyncio.sleep(1.2)
        async with house.open():
            assert (await watching)[-1] == "run.finished"
        assert (await runs.view(run_id))["status"] == "succeeded"


async def test_a_run_that_nobody_drives_is_resumed_here(house: House) -> None:
    run_id = await left_behind(house, "code")
    async with local(house) as runs:
        with ResultDisplay(io.StringIO()) as quiet:
            assert await watched(runs, quiet).resume(run_id, RaisedLimits(max_cost_usd=2.0)) == 0
        events = [event async for event in runs.events(run_id)]
    kinds = [event["type"] for event in events]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert [event["status"] for event in events if event["type"] == "run.finished"] == [
        "interrupted",
        "succeeded",
    ]
    assert kinds.index("run.resumed") == kinds.index("run.finished") + 1
    assert kinds.count("usage") == 3


async def test_a_run_that_nobody_drives_is_removed(house: House) -> None:
    run_id = await left_behind(house, "code")
    async with local(house) as runs:
        await runs.delete(run_id)
        with pytest.raises(RunNotFound):
            await runs.view(run_id)


async def test_a_servers_run_is_left_to_it(house: House) -> None:
    run_id = await left_behind(house, "code")
    house.pace.hold("code")
    async with house.open(), local(house) as runs:
        await house.pace.reached("code", 2)
        with pytest.raises(RunActive):
            await runs.resume(run_id, RaisedLimits())
        with pytest.raises(RunActive):
            await runs.delete(run_id)
