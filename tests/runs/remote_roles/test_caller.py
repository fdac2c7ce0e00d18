"""A role that is played elsewhere, and what goes wrong on the way there and back."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from graph.calls.retry_policy import RetryPolicy
from graph.errors import (
    ClaudeBilling,
    CodingAgentError,
    RoleLost,
    RoleSuperseded,
    StoreFull,
    StoreUnavailable,
)
from graph.events import Event, UsageReported
from graph.spending import Budget, Spend, Usage
from graph.tasks import PlannerResult, RoleTask
from graph.values import Base
from runs.remote_roles.caller import Play, RemoteRole
from runs.shared.version_chain import call_note
from tests.standins.shared_backend import FolderMount, MemoryTable

Item = dict[str, Any]
TEXT: Item = {"event": {"type": "role.text", "key": "k", "role": "planner", "text": "I look."}}
TRIES = 3
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


def usage(key: str, *, reckoned: bool = False) -> Item:
    reported = UsageReported(
        key=key,
        role="planner",
        model="m",
        usage=Usage(),
        cost_usd=0.0,
        run_cost_usd=0.0,
        replies=0 if reckoned else 1,
        reckoned=reckoned,
    )
    return {"event": reported.model_dump(mode="json")}


def playing(*tries: list[Item | CodingAgentError]) -> Play:
    """Each call gets the next list: items to stream, and at last maybe an error to break off by."""
    left = list(tries)

    async def play(_: dict[str, Any]) -> AsyncGenerator[Item, None]:
        for item in left.pop(0):
            if isinstance(item, CodingAgentError):
                raise item
            yield item

    return play


async def called(
    play: Play, notes: MemoryTable, folder: Path, *, silent_s: float = 60.0
) -> tuple[PlannerResult, list[Event]]:
    heard: list[Event] = []
    role = RemoteRole(
        play,
        PlannerResult,
        mount=FolderMount(folder),
        notes=notes,
        policy=RetryPolicy(attempts=TRIES, first_s=0.0),
        silent_s=silent_s,
    )
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


@pytest.mark.parametrize("error", [StoreUnavailable("away"), StoreFull("too often")])
async def test_a_call_that_could_not_reach_the_store_is_made_again(
    error: CodingAgentError, notes: MemoryTable, tmp_path: Path
) -> None:
    """What it did is in its transcript; where it stays away, that is the error."""
    play = playing([usage("1"), {"error": error}], [{"result": RESULT}])
    assert (await called(play, notes, tmp_path))[0].reason == "done"
    tries: list[list[Item | CodingAgentError]] = [[{"error": error}] for _ in range(TRIES)]
    with pytest.raises(type(error)):
        await called(playing(*tries), notes, tmp_path)


async def test_one_that_is_lost_again_and_again_is_an_error(
    notes: MemoryTable, tmp_path: Path
) -> None:
    """What was told of a reply that is not kept is no gain, nor is what is told again, nor what was
    reckoned for a request that was lost."""
    tries: list[list[Item | CodingAgentError]] = [
        [usage("1"), usage(f"lost-{number}", reckoned=True), TEXT] for number in range(TRIES + 1)
    ]
    with pytest.raises(RoleLost):
        await called(playing(*tries), notes, tmp_path)


async def test_losses_between_which_something_was_done_do_not_count(
    notes: MemoryTable, tmp_path: Path
) -> None:
    """Each call says again what the transcript has, and goes on."""
    tries: list[list[Item | CodingAgentError]] = [
        [usage(f"{number}") for number in range(turn + 1)] for turn in range(3 * TRIES)
    ]
    result, heard = await called(playing(*tries, [{"result": RESULT}]), notes, tmp_path)
    assert result.reason == "done"
    assert {event.key for event in heard} == {f"{number}" for number in range(3 * TRIES)}


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


async def test_a_stream_that_says_nothing_more_keeps_nobody_waiting(
    notes: MemoryTable, tmp_path: Path
) -> None:
    """One that says that it lives is waited for."""
    calls = 0

    async def play(_: dict[str, Any]) -> AsyncGenerator[Item, None]:
        nonlocal calls
        calls += 1
        yield {"call": f"in-{calls}"}
        if calls == 1:
            await asyncio.Event().wait()
        for _beat in range(6):
            await asyncio.sleep(0.05)
            yield {}
        yield {"result": RESULT}

    await notes.put(call_note(TASK.run_id, "in-2"), {"at": 0})
    assert (await called(play, notes, tmp_path, silent_s=0.1))[0].reason == "done"
    assert calls == 2
    assert notes.kept == {}
