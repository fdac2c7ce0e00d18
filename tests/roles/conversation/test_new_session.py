"""A conversation that cannot go on is followed by another, at once or when the role is resumed."""

import json
from pathlib import Path

import pytest

from graph.errors import ClaudeRefused, ContextExceeded
from graph.files import load_change
from graph.files.run_folder import RunFolder
from roles.coder import ClaudeCoder
from tests.standins.claude import HttpError, answer, calls, says
from tests.standins.directory_sandbox import make_run
from tests.support.roles.four_roles import CODED, MEND, Cast
from tests.support.roles.role_bench import (
    DONE,
    FILES,
    RUN,
    Bench,
    Ears,
    Serve,
    make_task,
    transcript,
)

OTHER = "02run"

TOO_LONG = HttpError(400, "invalid_request_error", "prompt is too long: 1000001 tokens")
FULL = says("I", stop_reason="model_context_window_exceeded")


@pytest.mark.parametrize("end", [TOO_LONG, FULL])
async def test_full_conversation_is_followed_by_another(
    serve: Serve, bench: Bench, end: HttpError
) -> None:
    async with serve(calls("ls"), calls("pwd"), end, calls("ls"), DONE) as (server, claude):
        assert (await bench.run(claude)).answer
    again = server.requests[3]["messages"]
    assert [message["role"] for message in again] == ["user"]
    assert "it grew too long" in again[0]["content"][1]["text"]
    assert "work tree" not in again[0]["content"][1]["text"]
    retry = bench.ears.of("retry")[0]
    assert (retry["what"], retry["waitMs"]) == ("claude", 0)
    assert "begins another conversation" in retry["reason"]
    assert len(set(bench.ears.keys)) == len(bench.ears.keys)


async def test_only_once_in_a_call(serve: Serve, bench: Bench) -> None:
    turns = [calls("ls"), calls("pwd")]
    async with serve(*turns, TOO_LONG, *turns, TOO_LONG, DONE) as (server, claude):
        with pytest.raises(ContextExceeded):
            await bench.run(claude)
        assert len(server.requests) == 6
        bench.ears = Ears()
        end = await bench.run(claude)
    assert end.answer
    assert end.spend.turns == 5
    assert len(server.requests[-1]["messages"]) == 1


async def test_opening_that_is_too_long_ends_the_role(serve: Serve, bench: Bench) -> None:
    async with serve(TOO_LONG, DONE) as (server, claude):
        with pytest.raises(ContextExceeded):
            await bench.run(claude)
    assert len(server.requests) == 1


async def test_refused_role_begins_anew_when_resumed(serve: Serve, bench: Bench) -> None:
    async with serve(calls("ls"), says("I", stop_reason="refusal"), DONE) as (server, claude):
        with pytest.raises(ClaudeRefused):
            await bench.run(claude)
        bench.ears = Ears()
        end = await bench.run(claude)
    assert end.answer
    assert end.spend.turns == 3
    assert "broken off" in server.requests[-1]["messages"][0]["content"][1]["text"]
    assert [event.key for event in bench.ears.events if event.type == "usage"] == [
        "1.1.1.usage", "1.2.1.usage", "1.3.1.usage",
    ]  # fmt: skip


async def test_answer_of_a_later_conversation_is_kept(serve: Serve, bench: Bench) -> None:
    async with serve(says("I", stop_reason="refusal"), calls("ls"), DONE) as (server, claude):
        with pytest.raises(ClaudeRefused):
            await bench.run(claude)
        first = await bench.run(claude)
        assert await bench.run(claude) == first
    assert len(server.requests) == 3
    kept = transcript(bench.runs, bench.task)
    assert [len(kept.messages), len(kept.conversation)] == [6, 4]


async def test_user_is_heard_in_each_conversation(serve: Serve, bench: Bench) -> None:
    messages = bench.runs / RUN / "messages"
    messages.mkdir()
    (messages / "0001.json").write_text(json.dumps({"text": "Keep it short."}))
    async with serve(says("I", stop_reason="refusal"), DONE) as (server, claude):
        with pytest.raises(ClaudeRefused):
            await bench.run(claude)
        await bench.run(claude)
    for request in server.requests:
        assert "Keep it short." in request["messages"][0]["content"][-1]["text"]


async def test_refused_coder_goes_on_with_its_tree(
    serve: Serve, cast: Cast, runs: Path, ears: Ears
) -> None:
    base = make_run(runs, OTHER, FILES)
    refusal = says("I", stop_reason="refusal")
    async with serve(calls(MEND), refusal, answer(**CODED)) as (server, claude):
        with pytest.raises(ClaudeRefused):
            await cast.play(ClaudeCoder, claude)(make_task(base, run_id=OTHER), ears)
        task = make_task(base, run_id=OTHER, fence=2)
        result = await cast.play(ClaudeCoder, claude)(task, ears)
    assert len(server.requests[-1]["messages"]) == 1
    assert "git diff HEAD" in server.requests[-1]["messages"][0]["content"][1]["text"]
    assert result.change
    assert b"+    return a + b" in load_change(RunFolder.of(runs, OTHER), result.change)
    assert result.spend.turns == 3
