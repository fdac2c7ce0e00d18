"""Long conversations: old results leave the prompt, rarely and in large steps."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from graph.errors import RoleTurnLimit
from roles.claude.prices import find_model, prompt_tokens
from roles.transcript.transcript import AssistantMessage, Message, UserMessage
from roles.turns.context_editing import ClearedCalls, trigger_tokens
from tests.standins.claude import calls
from tests.support.roles.role_bench import (
    DONE,
    SPEC,
    Bench,
    Ears,
    Serve,
    ended_by,
    transcript,
)

HAIKU = "claude-haiku-5-5"
LARGE = "seq -w {n}0000 {n}9999 | head -c 14900"
SPEND = {"max_cost_usd": None}


def turns(count: int) -> list[Any]:
    """Turns of four calls with 15 kB each."""
    return [
        calls(*(LARGE.format(n=10 + 4 * turn + call) for call in range(4))) for turn in range(count)
    ]


def edits(request: dict[str, Any]) -> int | None:
    """How many results a request wants to be left out of its prompt."""
    if "context_management" not in request:
        return None
    blocks = [block for message in request["messages"] for block in message["content"]]
    made = sum(block["type"] == "tool_use" for block in blocks)
    (edit,) = request["context_management"]["edits"]
    return int(made - edit["keep"]["value"])


async def test_prompt_is_kept_small_in_large_steps(serve: Serve, bench: Bench) -> None:
    spec = replace(SPEC, max_turns=100)
    async with serve(*turns(19), DONE) as (server, claude):
        assert (await bench.run(claude, model=HAIKU, spec=spec)).answer
    asked = [edits(request) for request in server.requests]
    assert asked[:7] == [None] * 7
    steps = sorted({count for count in asked if count})
    assert steps == [16, 32, 48, 64]
    assert asked[7:] == sorted(count for count in asked if count)
    usage = bench.ears.of("usage")
    sizes = [
        e["input_tokens"] + e["cache_read_input_tokens"] + e["cache_creation_input_tokens"]
        for e in usage
    ]
    assert max(sizes) < 110_000
    assert sum(after < before for before, after in pairwise(sizes)) == 4
    missed = [e["cache_read_input_tokens"] < 1_000 for e in usage[2:]]
    assert sum(missed) == 4


async def test_history_stays_whole(serve: Serve, bench: Bench) -> None:
    async with serve(*turns(9), DONE) as (server, claude):
        await bench.run(claude, model=HAIKU)
    assert edits(server.requests[-1])
    for before, after in pairwise(server.requests):
        assert after["messages"][: len(before["messages"])] == before["messages"]
    kept = transcript(bench.runs, bench.task)
    assert [message.content for message in kept.messages[:-1]] == [
        message["content"] for message in server.requests[-1]["messages"]
    ]


async def test_resumed_role_asks_for_the_same(serve: Serve, bench: Bench) -> None:
    spec = SPEC.__class__(system=SPEC.system, answer=SPEC.answer, max_turns=8)
    async with serve(*turns(9), DONE) as (server, claude):
        ended_by(await bench.run(claude, model=HAIKU, spec=spec), RoleTurnLimit)
        bench.ears = Ears()
        assert (await bench.run(claude, model=HAIKU, spec=spec)).answer
    asked = [edits(request) for request in server.requests]
    assert asked[7]
    assert asked[7:] == [asked[7]] * 3


async def test_endpoint_that_does_not_know_the_beta(serve: Serve, bench: Bench) -> None:
    async with serve(*turns(9), DONE, betas=()) as (server, claude):
        assert (await bench.run(claude, model=HAIKU)).answer
    assert all(edits(request) is None for request in server.requests)
    (retry,) = bench.ears.of("retry")
    assert "context_management" in retry["reason"]
    assert retry["waitMs"] == 0


async def test_short_conversations_need_no_beta(serve: Serve, bench: Bench) -> None:
    async with serve(*turns(3), DONE, betas=()) as (_, claude):
        await bench.run(claude)
    assert not bench.ears.of("retry")


@pytest.mark.parametrize(
    ("model", "trigger"),
    [
        ("claude-opus-5-5", 200_000),
        ("claude-haiku-4-5", 100_000),
        ("claude-haiku-5-5", 90_000),
        ("local-model", None),
    ],
)
def test_trigger_by_model(model: str, trigger: int | None) -> None:
    assert trigger_tokens(find_model(model)) == trigger


def conversation(*prompts: int, size: int = 4_000) -> list[Message]:
    """Turns with one call each, after a prompt of so many tokens."""
    messages: list[Message] = [UserMessage(purpose="opening", content=[])]
    for number, prompt in enumerate(prompts):
        call = {"type": "tool_use", "id": f"t{number}", "name": "bash", "input": {}}
        usage: Any = {"input_tokens": prompt}
        reply = AssistantMessage(
            content=[call], attempt=1, stop_reason="tool_use", usage=usage, model="m"
        )
        assert prompt_tokens(reply.usage) == prompt
        result = {"type": "tool_result", "tool_use_id": call["id"], "content": "x" * size}
        messages += [reply, UserMessage(purpose="results", content=[result])]
    return messages


def test_what_is_cleared() -> None:
    below, over = [900] * 19, 1_100
    assert ClearedCalls(1_000).count(conversation(*below)) == 0
    assert ClearedCalls(1_000).count(conversation(*below, over)) == 11
    assert ClearedCalls(1_000).count(conversation(*below, over, over, over)) == 13


def test_a_conversation_is_counted_as_it_grows() -> None:
    messages = conversation(*[900] * 19, *[1_100] * 9)
    ends = [*range(1, len(messages)), 5, len(messages)]
    growing = ClearedCalls(1_000)
    counts = [growing.count(messages[:end]) for end in ends]
    assert counts == [ClearedCalls(1_000).count(messages[:end]) for end in ends]
    assert len(set(counts)) > 1


def test_what_is_not_worth_it() -> None:
    assert ClearedCalls(1_000).count(conversation(*[1_100] * 20, size=40)) == 0
    assert ClearedCalls(1_000).count(conversation(*[1_100] * 8)) == 0
