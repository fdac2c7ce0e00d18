"""The prompt cache outlives a long command, where that is cheaper and can be paid."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from graph.spending import Spend, Usage
from roles.transcript.transcript import CallRecord, UserMessage
from roles.turns.deadline import Deadline
from roles.turns.model_request import RequestBuilder
from roles.turns.model_turn import Turns
from roles.turns.spend_meter import SpendMeter
from tests.standins.claude import calls
from tests.standins.messages_api.server import MessagesServer
from tests.support.polling import until
from tests.support.roles.role_bench import DONE, MODEL, Bench, Serve, make_task, transcript

LONG = {"type": "text", "text": "Judge calc.py. " * 200}


class Clock:
    """Seconds as the stand-in's cache counts them."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def asked_once(
    serve: Serve, bench: Bench, clock: Clock, **options: Any
) -> AsyncIterator[tuple[MessagesServer, Turns]]:
    """A conversation whose first reply calls a tool; its prompt is asked for after 50 ms."""
    task = make_task(bench.task.base, **options.pop("limits", {}))
    async with serve(calls("make test"), DONE, clock=clock, **options) as (server, claude):
        kept = transcript(bench.runs, task)
        await kept.append(UserMessage(purpose="opening", content=[LONG]))
        turns = Turns(
            claude=claude,
            requests=RequestBuilder(model=MODEL, system="You judge.", tools=[], effort=None),
            transcript=kept,
            task=task,
            meter=SpendMeter(task, bench.ears),
            deadline=Deadline.before(task.budget.deadline),
            retry_policy=bench.retry_policy,
            emit=bench.ears,
        )
        await turns.take()
        turns.keeper.after_s = 0.05
        yield server, turns


async def answer_call(turns: Turns) -> None:
    (call,) = turns.transcript.messages[-1].content
    result = {"type": "tool_result", "tool_use_id": call["id"], "content": "OK"}
    said = UserMessage(purpose="results", content=[result], calls=[CallRecord(ok=True)])
    await turns.transcript.append(said)


async def test_long_command_leaves_the_cache_warm(serve: Serve, bench: Bench) -> None:
    clock = Clock()
    async with asked_once(serve, bench, clock) as (server, turns):

        async def work() -> str:
            clock.now = 280.0
            await until(lambda: bool(turns.transcript.messages[-1].model_dump()["warmed"]))
            clock.now = 500.0
            return "done"

        assert await turns.keeper.during(work()) == "done"
        await answer_call(turns)
        await turns.take()
    assert server.warmings[0]["messages"] == server.requests[0]["messages"]
    assert "stream" not in server.warmings[0] or server.warmings[0]["stream"] is False
    first, *warm, last = bench.ears.of("usage")
    size = first["cache_creation_input_tokens"]
    assert {event["cache_read_input_tokens"] for event in warm} == {size}
    assert {event["output_tokens"] for event in warm} == {0}
    assert last["cache_read_input_tokens"] == size
    assert turns.meter.spend.turns == 2
    assert bench.ears.keys[1] == "1.1.1.warm1.usage"


async def test_it_is_told_again_when_the_role_is_called_again(serve: Serve, bench: Bench) -> None:
    async with asked_once(serve, bench, Clock()) as (server, turns):
        await turns.keeper.during(until(lambda: len(server.warmings) > 1))
    again = transcript(bench.runs, bench.task).messages[-1]
    assert again == turns.transcript.messages[-1]
    turns.keeper.report(turns.transcript.messages[-1], "1.1.1")  # type: ignore[arg-type]
    keys = [key for key in bench.ears.keys if "warm" in key]
    assert keys[len(keys) // 2 :] == keys[: len(keys) // 2]


@pytest.mark.parametrize(
    "spent",
    [Spend(cost_usd=4.9999), Spend(usage=Usage(input_tokens=99_990))],
    ids=["no money", "no tokens"],
)
async def test_nothing_is_asked_where_it_cannot_be_paid(
    serve: Serve, bench: Bench, spent: Spend
) -> None:
    limits = {"limits": {"max_tokens": 100_000}}
    async with asked_once(serve, bench, Clock(), **limits) as (server, turns):
        turns.meter.spend = spent
        await turns.keeper.during(asyncio.sleep(0.2))
    assert server.warmings == []


async def test_endpoint_that_refuses_is_not_asked_again(serve: Serve, bench: Bench) -> None:
    async with asked_once(serve, bench, Clock(), warms=False) as (server, turns):
        for _ in range(2):
            await turns.keeper.during(asyncio.sleep(0.3))
    assert len(server.warmings) == 1
    assert len(bench.ears.of("usage")) == 1


async def test_error_of_the_work_ends_it(serve: Serve, bench: Bench) -> None:
    async def fail() -> None:
        raise ValueError("no")

    async with asked_once(serve, bench, Clock()) as (server, turns):
        with pytest.raises(ValueError, match="no"):
            await turns.keeper.during(fail())
        await asyncio.sleep(0.1)
    assert server.warmings == []
