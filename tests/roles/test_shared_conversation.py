"""One conversation from the plan to the last fix, as it goes over the wire."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from graph.files.run_folder import RunFolder
from graph.values import Base, CommandReport, Validation
from roles.coder import ClaudeCoder
from roles.fixer import ClaudeFixer
from roles.planner import ClaudePlanner
from tests.standins.claude import HttpError, ScriptedReply, answer, calls, says, tool_use
from tests.standins.directory_sandbox import make_run
from tests.standins.messages_api.server import MessagesServer
from tests.support.roles.four_roles import CODED, MEND, PLAN, PLANNED, Cast, changed, opening
from tests.support.roles.role_bench import FILES, RUN, Ears, Serve, make_task

FAILED = Validation(
    status="failed",
    commands=(
        CommandReport(
            command="make test", exit_code=2, status="failed", duration_ms=5, output="FAIL: add"
        ),
    ),
)


@pytest.fixture
def base(runs: Path) -> Base:
    return make_run(runs, RUN, FILES)


async def test_a_plan_as_it_was_submitted_is_not_said_again(
    serve: Serve, cast: Cast, base: Base, ears: Ears
) -> None:
    async with serve(answer(**PLANNED), answer(**CODED)) as (server, claude):
        planned = await cast.play(ClaudePlanner, claude)(make_task(base, "planner"), ears)
        assert planned.plan
        await cast.play(ClaudeCoder, claude)(make_task(base, step=2, plan=planned.plan), ears)
    assert "<plan>" not in said_last(server, 1)
    assert "submit_plan" in str(server.requests[1]["messages"])


def said_last(server: MessagesServer, request: int) -> str:
    content = server.requests[request]["messages"][-1]["content"]
    return "\n".join(block.get("text") or block.get("content") for block in content)


def fixed_part(request: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value for name, value in request.items() if name not in ("messages", "max_tokens")
    }


async def play_all(cast: Cast, claude: Any, base: Base, ears: Ears) -> None:
    checks = ("make test",)
    await cast.play(ClaudePlanner, claude)(make_task(base, "planner", checks=checks), ears)
    task = make_task(base, step=2, plan=PLAN, checks=checks)
    await cast.play(ClaudeCoder, claude)(task, ears)
    task = make_task(
        base,
        "fixer",
        step=3,
        plan=PLAN,
        checks=checks,
        change=changed(cast.runs),
        validation=FAILED,
    )
    await cast.play(ClaudeFixer, claude)(task, ears)


async def test_each_role_goes_on_where_the_one_before_ended(
    serve: Serve, cast: Cast, base: Base, ears: Ears
) -> None:
    script = [calls("cat calc.py"), answer(**PLANNED), calls(MEND), answer(**CODED)]
    async with serve(*script, calls("ls"), answer(**CODED)) as (server, claude):
        await play_all(cast, claude, base, ears)
    for before, after in pairwise(server.requests):
        assert after["messages"][: len(before["messages"])] == before["messages"]
        assert fixed_part(after) == fixed_part(before)
    coder, fixer = said_last(server, 2), said_last(server, 4)
    assert coder.startswith("Taken.\nNow carry the plan out.")
    assert "1. Mend add in calc.py." in coder
    assert "make test" not in coder
    assert fixer.startswith("Taken.\nNow fix the change")
    assert "FAIL: add" in fixer
    usage = ears.of("usage")
    assert [event["role"] for event in usage] == [*["planner"] * 2, *["coder"] * 2, *["fixer"] * 2]
    for before, after in pairwise(usage):
        known = before["cache_read_input_tokens"] + before["cache_creation_input_tokens"]
        assert after["cache_read_input_tokens"] == known
    assert len(set(ears.keys)) == len(ears.keys)


async def test_answer_beside_the_last_calls_is_gone_on_from(
    serve: Serve, cast: Cast, base: Base, ears: Ears
) -> None:
    ended = ScriptedReply((*calls(MEND, "cat calc.py").content, *answer(**CODED).content))
    async with serve(answer(**PLANNED), ended, answer(**CODED)) as (server, claude):
        await play_all(cast, claude, base, ears)
    first, *_ = server.requests[2]["messages"][-2]["content"]
    assert first["tool_use_id"] == ended.content[0]["id"]
    assert said_last(server, 2).startswith("Now fix the change")


async def test_broken_off_role_goes_on_in_the_shared_conversation(
    serve: Serve, cast: Cast, base: Base, ears: Ears
) -> None:
    refused = HttpError(400, "invalid_request_error")
    task = make_task(base, step=2, plan=PLAN)
    script = [calls("cat calc.py"), answer(**PLANNED), calls(MEND), refused, answer(**CODED)]
    async with serve(*script) as (server, claude):
        await cast.play(ClaudePlanner, claude)(make_task(base, "planner"), ears)
        with pytest.raises(Exception, match="invalid_request_error"):
            await cast.play(ClaudeCoder, claude)(task, ears)
        result = await cast.play(ClaudeCoder, claude)(task.model_copy(update={"fence": 2}), ears)
    assert result.change
    assert result.spend.turns == 2
    assert server.requests[4] == server.requests[3]
    assert server.requests[4]["messages"][:3] == server.requests[1]["messages"][:3]


async def test_another_model_begins_anew(serve: Serve, cast: Cast, base: Base, ears: Ears) -> None:
    task = make_task(base, step=2, plan=PLAN, model="claude-sonnet-5-5")
    async with serve(answer(**PLANNED), answer(**CODED)) as (server, claude):
        await cast.play(ClaudePlanner, claude)(make_task(base, "planner"), ears)
        await cast.play(ClaudeCoder, claude)(task, ears)
    assert len(server.requests[1]["messages"]) == 1
    assert "<request>" in opening(server, 1)


RANGED = PLAN.model_copy(update={"ranges": ("calc.py:1-2", "none.py:1-9", "calc.py", "a:2-1")})


async def test_ranges_are_asked_for_and_shown_where_the_coder_begins_anew(
    serve: Serve, cast: Cast, base: Base, ears: Ears
) -> None:
    planned = answer(**{**PLANNED, "ranges": ["calc.py:1-2"]})
    async with serve(planned, planned, answer(**CODED)) as (server, claude):
        planner = cast.play(ClaudePlanner, claude)
        result = await planner(make_task(base, "planner", approve_plan=True), ears)
        await planner(make_task(base, "planner", step=3), ears)
        other = make_task(base, step=4, plan=RANGED, model="claude-sonnet-5-5")
        await cast.play(ClaudeCoder, claude)(other, ears)
    assert result.plan
    assert result.plan.ranges == ("calc.py:1-2",)
    assert "name the `ranges`" in opening(server, 0)
    assert "name the `ranges`" not in said_last(server, 1)
    shown = "<excerpts>\ncalc.py:1-2\ndef add(a, b):\n    return a - b\n</excerpts>"
    assert shown in opening(server, 2)


async def test_a_fix_that_did_not_help_is_followed_by_a_harder_one(
    serve: Serve, cast: Cast, base: Base, ears: Ears
) -> None:
    fixed = answer(title="Add", summary="It did not.")
    async with serve(fixed, answer(**CODED)) as (server, claude):
        for step in (3, 4):
            known = {"change": changed(cast.runs), "validation": FAILED}
            task = make_task(base, "fixer", step=step, plan=PLAN, **known)
            await cast.play(ClaudeFixer, claude)(task, ears)
    assert "output_config" not in server.requests[0]
    assert server.requests[1]["output_config"] == {"effort": "high"}
    assert server.requests[1]["max_tokens"] == 64_000
    assert "- Add: It did not." in opening(server, 1)


@pytest.mark.parametrize("end", [says("I", stop_reason="refusal"), says("No tool.")])
async def test_conversation_that_ended_badly_is_gone_on_from_only_where_it_can(
    serve: Serve, cast: Cast, base: Base, ears: Ears, end: ScriptedReply
) -> None:
    script = [calls("cat calc.py"), end, *([end] if end.stop_reason is None else [])]
    async with serve(*script, answer(**CODED)) as (server, claude):
        with pytest.raises(Exception, match=r"refused|answer"):
            await cast.play(ClaudePlanner, claude)(make_task(base, "planner"), ears)
        await cast.play(ClaudeCoder, claude)(make_task(base, step=2, plan=PLAN), ears)
    assert (len(server.requests[-1]["messages"]) == 1) == (end.stop_reason is not None)


async def test_predecessor_that_cannot_be_read_is_no_predecessor(
    serve: Serve, cast: Cast, base: Base, ears: Ears
) -> None:
    async with serve(answer(**PLANNED), answer(**CODED)) as (server, claude):
        await cast.play(ClaudePlanner, claude)(make_task(base, "planner"), ears)
        folder = RunFolder.of(cast.runs, RUN).transcript(1, "planner")
        (folder / "0001.json").write_text("{")
        await cast.play(ClaudeCoder, claude)(make_task(base, step=2, plan=PLAN), ears)
    assert "<request>" in opening(server, 1)


async def test_a_call_that_ends_another_role_is_refused(
    serve: Serve, cast: Cast, base: Base, ears: Ears
) -> None:
    early = answer(**CODED)
    edit = {"command": "create", "path": "x", "file_text": "x"}
    edits = ScriptedReply((tool_use("str_replace_based_edit_tool", edit),))
    async with serve(early, edits, answer(**PLANNED)) as (server, claude):
        result = await cast.play(ClaudePlanner, claude)(make_task(base, "planner"), ears)
    assert result.plan
    assert "This one ends with `submit_plan`" in said_last(server, 1)
    assert "this tree is thrown away" in said_last(server, 2)
