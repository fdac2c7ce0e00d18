"""What an endpoint does not say of its cost is reckoned, and taken for nothing else."""

import asyncio
import dataclasses

import pytest

from roles.transcript.transcript import AssistantMessage
from roles.turns.deadline import Deadline
from roles.turns.model_request import RequestBuilder
from roles.turns.model_turn import Turns
from roles.turns.spend_meter import SpendMeter
from tests.roles.claude.test_odd_answers import Changed, all_edited, unused
from tests.standins.messages_api.server import Exchange
from tests.support.roles.role_bench import DONE, MODEL, Bench, Serve, transcript


@dataclasses.dataclass(frozen=True)
class Broken:
    """A reply that says nothing of its cost and has no end: the stream ends, or stays silent."""

    silent: bool = False
    begun: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)

    async def send(self, exchange: Exchange) -> None:
        await exchange.begin()
        await exchange.body(b"".join(all_edited(unused)(list(DONE.events(exchange)))[:2]))
        self.begun.set()
        if self.silent:
            await exchange.hung_up()
        else:
            await exchange.end()


UNTOLD = Changed(all_edited(unused), DONE)


async def test_a_reckoned_prompt_is_none_in_the_cache(serve: Serve, bench: Bench) -> None:
    async with serve(UNTOLD, DONE) as (_, claude):
        await bench.run(claude)
        turns = Turns(
            claude=claude,
            requests=RequestBuilder(model=MODEL, system="You judge.", tools=[], effort=None),
            transcript=transcript(bench.runs, bench.task),
            task=bench.task,
            meter=SpendMeter(bench.task, bench.ears),
            deadline=Deadline.before(bench.task.budget.deadline),
            retry_policy=bench.retry_policy,
            emit=bench.ears,
        )
        turns.recall()
    (reply,) = (m for m in turns.transcript.messages if isinstance(m, AssistantMessage))
    assert reply.usage.cache_creation_input_tokens > 0
    assert turns.cached.size == 0


async def test_a_reckoned_reply_is_told_again_as_such(serve: Serve, bench: Bench) -> None:
    async with serve(UNTOLD) as (_, claude):
        await bench.run(claude)
        await bench.run(claude)
    first, again = bench.ears.of("usage")
    assert first["reckoned"]
    assert again == first


def test_a_reply_kept_by_an_earlier_release_is_read() -> None:
    kept = {"role": "assistant", "attempt": 1, "stop_reason": "x", "model": MODEL, "content": []}
    assert not AssistantMessage.model_validate(kept | {"usage": {}, "reckoned": []}).usage_reckoned


@pytest.mark.parametrize("silent", [False, True], ids=["broken off", "cancelled"])
async def test_an_untold_reply_without_an_end_may_have_cost_its_prompt(
    serve: Serve, bench: Bench, silent: bool
) -> None:
    broken = Broken(silent)
    async with serve(broken, DONE) as (_, claude):
        call = asyncio.create_task(bench.run(claude))
        await broken.begun.wait()
        if silent:
            await asyncio.sleep(0.1)
            call.cancel()
            await asyncio.wait((call,))
        end = await (bench.run(claude) if silent else call)
    lost, *_, kept = bench.ears.of("usage")
    assert (lost["replies"], lost["reckoned"]) == (0, True)
    assert lost["cache_creation_input_tokens"] > 0
    assert end.spend.cost_usd == pytest.approx(lost["costUsd"] + kept["costUsd"])
