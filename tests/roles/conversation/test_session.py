"""The conversation of a role: what is asked, run, told and answered."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from graph.errors import (
    ClaudeRefused,
    ClaudeUnauthorized,
    ContextExceeded,
    PriceUnknown,
    RoleNoAnswer,
    RoleSuperseded,
    RoleTurnLimit,
)
from graph.values import Base
from roles.claude.prices import cost_usd
from roles.conversation.role_spec import RoleSpec
from roles.transcript.transcript import UserMessage
from tests.standins.claude import (
    HalfToolInput,
    HttpError,
    ScriptedReply,
    Silence,
    calls,
    says,
    text,
    thinking,
    tool_use,
)
from tests.standins.directory_sandbox import DirectorySandbox
from tests.support.roles.role_bench import (
    DONE,
    MODEL,
    RUN,
    SPEC,
    Bench,
    Serve,
    Verdict,
    ended_by,
    make_task,
    results,
    think_and,
    transcript,
)


def judged(**fields: Any) -> ScriptedReply:
    return ScriptedReply((tool_use("judge", fields),))


def judged_good() -> ScriptedReply:
    return judged(verdict="good", why="It adds.")


def tree(bench: Bench) -> Path:
    """The folder its commands run in."""
    assert isinstance(bench.sandbox, DirectorySandbox)
    return bench.sandbox.root


async def test_tools_then_answer(serve: Serve, bench: Bench) -> None:
    replies = [
        think_and(tool_use("bash", {"command": "cat calc.py"})),
        think_and(
            text("Now I mend it."),
            tool_use(
                "str_replace_based_edit_tool",
                {"command": "str_replace", "path": "calc.py", "old_str": "-", "new_str": "+"},
            ),
        ),
        think_and(*DONE.content),
    ]
    async with serve(*replies) as (server, claude):
        end = await bench.run(claude)
    assert end.answer == Verdict(verdict="good", why="It adds.")
    assert end.stopped is None
    assert end.spend.turns == 3
    assert (tree(bench) / "calc.py").read_text() == "def add(a, b):\n    return a + b\n"
    assert results(server, 1)[0]["content"] == "def add(a, b):\n    return a - b"
    assert "line 2" in results(server, 2)[0]["content"]
    assert [e for e in bench.ears.types if not e.startswith("role.")] == [
        "usage", "tool.started", "tool.finished", "usage", "tool.started", "tool.finished", "usage",
    ]  # fmt: skip
    assert len(set(bench.ears.keys)) == len(bench.ears.keys)


async def test_request_is_as_the_role_wants(serve: Serve, bench: Bench) -> None:
    async with serve(DONE) as (server, claude):
        await bench.run(claude)
    request = server.requests[0]
    assert request["system"] == "You judge."
    assert request["cache_control"] == {"type": "ephemeral"}
    assert request["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert "output_config" not in request
    assert [tool["name"] for tool in request["tools"]] == [
        "bash", "str_replace_based_edit_tool", "judge",
    ]  # fmt: skip
    assert request["tools"][-1]["strict"] is True
    assert "tool_choice" not in request
    assert request["stream"] is True


@pytest.mark.parametrize("model", ["claude-haiku-4-5", "claude-haiku-4-5-20251001"])
async def test_model_without_effort_and_adaptive_thinking(
    serve: Serve, bench: Bench, model: str
) -> None:
    async with serve(DONE) as (server, claude):
        end = await bench.run(claude, model=model, spec=replace(SPEC, effort="low"))
    assert end.answer
    assert "thinking" not in server.requests[0]
    assert "output_config" not in server.requests[0]


async def test_effort_is_sent_where_one_is_set(serve: Serve, bench: Bench) -> None:
    async with serve(DONE) as (server, claude):
        await bench.run(claude, spec=replace(SPEC, effort="high"))
    assert server.requests[0]["output_config"] == {"effort": "high"}


async def test_history_is_never_rewritten_and_cached(serve: Serve, bench: Bench) -> None:
    turns = [
        think_and(tool_use("bash", {"command": f"echo {number}; cat calc.py README.md"}))
        for number in range(12)
    ]
    async with serve(*turns, DONE) as (server, claude):
        await bench.run(claude, opening="Judge calc.py. " * 200)
    for before, after in zip(server.requests, server.requests[1:], strict=False):
        old, new = json.dumps(before["messages"]), json.dumps(after["messages"])
        assert new.startswith(old[:-1])
        for name in ("tools", "system", "thinking", "model"):
            assert json.dumps(before[name]) == json.dumps(after[name])
    usage = bench.ears.of("usage")[1:]
    read = sum(event["cache_read_input_tokens"] for event in usage)
    prompt = read + sum(
        event["input_tokens"] + event["cache_creation_input_tokens"] for event in usage
    )
    assert read / prompt > 0.9


async def test_text_and_thinking_are_told_but_not_the_answer(serve: Serve, bench: Bench) -> None:
    reply = ScriptedReply((thinking("I think. " * 50), text("I am done now."), *DONE.content))
    async with serve(reply) as (_, claude):
        await bench.run(claude)
    said = "".join(event["text"] for event in bench.ears.of("role.text"))
    thought = "".join(event["text"] for event in bench.ears.of("role.thinking"))
    assert said == "I am done now."
    assert thought == "I think. " * 50


async def test_pieces_are_merged(serve: Serve, bench: Bench) -> None:
    reply = ScriptedReply((text("word " * 1000), *DONE.content))
    async with serve(reply) as (_, claude):
        await bench.run(claude)
    assert 1 <= len(bench.ears.of("role.text")) <= 26


async def test_max_tokens_in_text_goes_on(serve: Serve, bench: Bench) -> None:
    async with serve(says("Half a", stop_reason="max_tokens"), DONE) as (server, claude):
        assert (await bench.run(claude)).answer
    assert "cut off" in server.requests[1]["messages"][-1]["content"][0]["text"]


async def test_half_a_tool_call_is_never_run(serve: Serve, bench: Bench) -> None:
    call = tool_use("bash", {"command": "touch made && echo all of it"})
    async with serve(HalfToolInput(call, keep=24), DONE) as (server, claude):
        assert (await bench.run(claude)).answer
    assert not (tree(bench) / "made").exists()
    assert not bench.ears.of("tool.started")
    assert results(server)[0]["is_error"] is True
    assert "Not run" in results(server)[0]["content"]


async def test_thinking_that_was_cut_off_is_not_sent_back(serve: Serve, bench: Bench) -> None:
    cut = ScriptedReply(
        ({"type": "thinking", "thinking": "Hm", "signature": ""}, {"type": "text", "text": ""}),
        stop_reason="max_tokens",
    )
    async with serve(cut, DONE) as (server, claude):
        assert (await bench.run(claude)).answer
    assert [message["role"] for message in server.requests[1]["messages"]] == ["user", "user"]


async def test_max_tokens_is_bounded(serve: Serve, bench: Bench) -> None:
    cut = says("More", stop_reason="max_tokens")
    async with serve(*[cut] * 9) as (server, claude):
        ended_by(await bench.run(claude), RoleNoAnswer)
    assert len(server.requests) == 4


async def test_refusal_has_its_category(serve: Serve, bench: Bench) -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "It could harm."}
    refusal = says("I", stop_reason="refusal", stop_details=details)
    async with serve(refusal) as (server, claude):
        with pytest.raises(ClaudeRefused, match=r"cyber.*It could harm"):
            await bench.run(claude)
    assert len(server.requests) == 1
    assert bench.ears.of("usage")


async def test_refusal_without_details(serve: Serve, bench: Bench) -> None:
    async with serve(says("I", stop_reason="refusal")) as (_, claude):
        with pytest.raises(ClaudeRefused, match="no category"):
            await bench.run(claude)


async def test_a_pause_is_answered(serve: Serve, bench: Bench) -> None:
    """A pause that is sent back as it is would be refused for ever, as there is no server tool."""
    paused = [
        says("Wait.", stop_reason="pause_turn"),
        ScriptedReply((tool_use("bash", {"command": "touch made"}),), stop_reason="pause_turn"),
    ]
    async with serve(*paused, DONE) as (server, claude):
        assert (await bench.run(claude)).answer
    first, second = (request["messages"][-1] for request in server.requests[1:])
    assert first == {"role": "user", "content": [text("Go on.")]}
    assert second["content"][0]["is_error"]
    assert not (tree(bench) / "made").exists()


async def test_a_conversation_that_ended_in_a_pause_goes_on(serve: Serve, bench: Bench) -> None:
    async with serve(says("Wait.", stop_reason="pause_turn"), HttpError(401)) as (_, claude):
        with pytest.raises(ClaudeUnauthorized):
            await bench.run(claude)
    async with serve(DONE) as (server, claude):
        assert (await bench.run(claude)).answer
    assert [message["role"] for message in server.requests[0]["messages"]][-1] == "user"


@pytest.mark.parametrize("said", [(), (text("Let me see."),)], ids=["nothing", "a word"])
@pytest.mark.parametrize("reason", ["end_turn", "tool_use", "stop_sequence", "something_new"])
async def test_a_reply_without_a_call_is_asked_for_the_answer(
    serve: Serve, bench: Bench, reason: Any, said: tuple[Any, ...]
) -> None:
    """Also where it says that it calls a tool: it cannot be sent back alone."""
    async with serve(ScriptedReply(said, stop_reason=reason), DONE) as (server, claude):
        assert (await bench.run(claude)).answer
    assert server.requests[1]["messages"][-1]["role"] == "user"


async def test_full_window(serve: Serve, bench: Bench) -> None:
    full = says("I", stop_reason="model_context_window_exceeded")
    async with serve(full) as (_, claude):
        with pytest.raises(ContextExceeded):
            await bench.run(claude)


@pytest.mark.parametrize(
    "misfit",
    [
        says("It is good."),
        judged(verdict="so so", why=""),
        judged(verdict="good"),
        judged(verdict="good", why="", more=1),
        ScriptedReply(()),
        ScriptedReply((tool_use("bash", {"command": "touch made"}),), stop_reason="end_turn"),
    ],
)
async def test_misfit_is_asked_again_once(
    serve: Serve, bench: Bench, misfit: ScriptedReply
) -> None:
    async with serve(misfit, DONE) as (server, claude):
        assert (await bench.run(claude)).answer
    assert "`judge`" in str(server.requests[1]["messages"][-1]["content"])
    assert not (tree(bench) / "made").exists()


async def test_second_misfit_is_no_answer(serve: Serve, bench: Bench) -> None:
    async with serve(says("Good."), says("Really.")) as (_, claude):
        ended_by(await bench.run(claude), RoleNoAnswer)


async def test_answer_beside_calls_that_succeed(serve: Serve, bench: Bench) -> None:
    beside = ScriptedReply((*DONE.content, *calls("touch made").content))
    async with serve(beside) as (server, claude):
        end = await bench.run(claude)
        assert (tree(bench) / "made").exists()
        again = await bench.run(claude)
    assert end.answer == Verdict(verdict="good", why="It adds.")
    assert again == end
    assert len(server.requests) == 1
    assert [event["tool"] for event in bench.ears.of("tool.started")] == ["bash", "bash"]
    assert len(set(bench.ears.keys)) * 2 == len(bench.ears.keys)


async def test_answer_beside_a_call_that_fails_is_not_taken(serve: Serve, bench: Bench) -> None:
    ends = (*DONE.content, *judged(verdict="good", why="").content)
    async with serve(ScriptedReply((*calls("false").content, *ends)), judged_good()) as (
        server,
        claude,
    ):
        end = await bench.run(claude)
    assert end.spend.turns == 2
    told = results(server)
    assert [block["content"][:9] for block in told] == ["[exit cod", "Not taken", "Not taken"]
    assert [block.get("is_error", False) for block in told] == [False, True, True]


async def test_conversation_is_of_its_base_model_and_prompt(
    serve: Serve, bench: Bench, base: Base
) -> None:
    other = base.model_copy(update={"sha": "1" * 40})
    tasks = [make_task(base), make_task(base, step=2), make_task(other, step=3)]
    async with serve(*[DONE] * 4) as (_, claude):
        for task in tasks:
            await bench.run(claude, task=task)
        await bench.run(claude, task=make_task(base, step=4), spec=replace(SPEC, system="Judge."))
    firsts = [transcript(bench.runs, make_task(base, step=n)).messages[0] for n in range(1, 5)]
    prefixes = [first.prefix for first in firsts if isinstance(first, UserMessage)]
    assert prefixes[0] == prefixes[1]
    assert len(set(prefixes)) == 3


async def test_turn_limit(serve: Serve, bench: Bench) -> None:
    spec = RoleSpec(system=SPEC.system, answer=SPEC.answer, max_turns=3)
    async with serve(*[calls("ls") for _ in range(9)]) as (server, claude):
        ended_by(await bench.run(claude, spec=spec), RoleTurnLimit)
    assert len(server.requests) == 3


async def test_usage_and_cost_are_counted(serve: Serve, bench: Bench) -> None:
    async with serve(calls("ls"), DONE) as (_, claude):
        end = await bench.run(claude)
    events = bench.ears.of("usage")
    assert end.spend.usage.output_tokens == sum(event["output_tokens"] for event in events)
    assert end.spend.cost_usd == pytest.approx(sum(event["costUsd"] for event in events))
    assert end.spend.cost_usd == pytest.approx(cost_usd(MODEL, end.spend.usage))
    assert events[-1]["runCostUsd"] == pytest.approx(end.spend.cost_usd)
    assert bench.ears.keys[-1] == "1.2.1.usage"


async def test_unknown_price_needs_a_token_limit(serve: Serve, bench: Bench, base: Base) -> None:
    async with serve() as (server, claude):
        with pytest.raises(PriceUnknown, match="local-model"):
            await bench.run(claude, model="local-model")
    assert not server.requests


async def test_newer_call_takes_over(serve: Serve, bench: Bench) -> None:
    fence = bench.runs / RUN / "fence"

    async with serve(calls(f"echo 2 > {fence}"), DONE) as (server, claude):
        fence.write_text("1")
        with pytest.raises(RoleSuperseded):
            await bench.run(claude)
    assert len(server.requests) == 1
    assert len(transcript(bench.runs, bench.task).messages) == 2


async def test_cancelling_ends_the_request(serve: Serve, bench: Bench) -> None:
    silence = Silence()
    async with serve(calls("ls"), silence) as (_, claude):
        running = asyncio.create_task(bench.run(claude))
        await silence.begun.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await silence.left.wait()


async def test_task_of_another_role_says_so(serve: Serve, bench: Bench, base: Base) -> None:
    task = make_task(base, "reviewer", step=7)
    async with serve(DONE) as (_, claude):
        await bench.run(claude, task=task)
    assert (bench.runs / RUN / "transcripts" / "0007-reviewer" / "0002.json").exists()
    assert bench.ears.of("usage")[0]["role"] == "reviewer"
