"""A role that is played elsewhere, and what goes wrong on the way there and back."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from graph.errors import ClaudeBilling, CodingAgentError, RoleLost, RoleSuperseded
from graph.events import Event
from graph.spending import Budget, Spend
from graph.tasks import PlannerResult, RoleTask
from graph.values import Base
from runs.remote_roles.caller import Play, RemoteRole
from runs.shared.version_chain import result_note
from tests.standins.shared_backend import FolderMount, MemoryTable

Item = dict[str, Any]
TEXT: Item = {"event": {"type": "role.text", "key": "k", "role": "planner", "text": "I look."}}
RESULT = PlannerResult(plan=None, reason="done", spend=Spend()).model_dump(mode="json")
TASK = RoleTask(
    run_id="r1",
    role="planner",
    step=1,
    fence=7,
    prompt="p",
    base=Base(address="a", full_name="o/r", branch="main", sha="s", tree="t"),
    budget=Budget(max_cost_usd=None, max_tokens=None, deadline=0),
)


def playing(*tries: list[Item | CodingAgentError]) -> Play:
    """Each call gets the next list: items to stream, and at last maybe an error to break off by."""
    left = list(tries)

    async def play(_: dict[str, Any]) -> AsyncGenerator[Item, None]:
        for item in left.pop(0):
            if isinstance(item, CodingAgentError):
                raise item
            yield item

    return play


async def called(play: Play, notes: MemoryTable, folder: Path) -> tuple[PlannerResult, list[Event]]:
    heard: list[Event] = []
    role = RemoteRole(play, PlannerResult, mount=FolderMount(folder), notes=notes)
    return await role(TASK, heard.append), heard


@pytest.fixture
def notes() -> MemoryTable:
    return MemoryTable()


async def test_events_come_before_the_result(notes: MemoryTable, tmp_path: Path) -> None:
    result, heard = await called(playing([TEXT, {"result": RESULT}]), notes, tmp_path)
    assert result.reason == "done"
    assert [(event.type, event.key) for event in heard] == [("role.text", "k")]


async def test_a_lost_call_is_made_again(notes: MemoryTable, tmp_path: Path) -> None:
    play = playing([TEXT, RoleLost("gone")], [], [{"result": RESULT}])
    result, _ = await called(play, notes, tmp_path)
    assert result.reason == "done"


async def test_one_that_is_lost_again_and_again_is_an_error(
    notes: MemoryTable, tmp_path: Path
) -> None:
    with pytest.raises(RoleLost):
        await called(playing([], [], []), notes, tmp_path)


async def test_an_error_of_the_role_is_its_own(notes: MemoryTable, tmp_path: Path) -> None:
    with pytest.raises(ClaudeBilling, match="no credit"):
        await called(playing([{"error": ClaudeBilling("no credit")}]), notes, tmp_path)


async def test_one_that_must_stop_is_no_error_of_a_run_that_is_stopped_too(
    notes: MemoryTable, tmp_path: Path
) -> None:
    play = playing([TEXT, {"error": RoleSuperseded("cancelled")}])
    call = asyncio.create_task(called(play, notes, tmp_path))
    await asyncio.sleep(0.1)
    assert not call.done()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


@pytest.mark.parametrize("fence", [7, 6])
async def test_the_answer_of_this_call_is_found_where_its_stream_broke_off(
    notes: MemoryTable, tmp_path: Path, fence: int
) -> None:
    """That of an earlier call of the step is not."""
    await notes.put(result_note(TASK.run_id, TASK.step), {"fence": fence, "result": RESULT})
    call = called(playing([TEXT], [], []), notes, tmp_path)
    if fence == TASK.fence:
        assert (await call)[0].reason == "done"
        assert notes.kept == {}
    else:
        with pytest.raises(RoleLost):
            await call


async def test_a_stream_that_says_nothing_more_keeps_nobody_waiting(
    notes: MemoryTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_LOOK_S", "_GRACE_S"):
        monkeypatch.setattr(f"runs.remote_roles.caller.{name}", 0.05)

    async def play(_: dict[str, Any]) -> AsyncGenerator[Item, None]:
        yield TEXT
        await asyncio.Event().wait()

    await notes.put(result_note(TASK.run_id, TASK.step), {"fence": 7, "result": RESULT})
    assert (await called(play, notes, tmp_path))[0].reason == "done"
