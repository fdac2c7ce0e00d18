"""No request is sent that could cost more than is left; time ends a role in time."""

import itertools
import re
import time

import pytest

from graph.errors import PriceUnknown
from graph.spending import Budget, Spend, Usage
from graph.values import Base
from roles.claude.prices import find_model
from roles.turns.reply_budget import (
    MAX_REPLY_TOKENS,
    MIN_REPLY_TOKENS,
    CachedPrompt,
    reply_allowance,
    require_limit,
)
from tests.standins import claude as standin
from tests.standins.claude import calls
from tests.standins.messages_api.prompt_cache import PromptCache
from tests.support.roles.role_bench import (
    DONE,
    MODEL,
    Bench,
    Serve,
    make_task,
    results,
)

OPUS = find_model(MODEL)


def budget(max_cost_usd: float | None = 5.0, max_tokens: int | None = None) -> Budget:
    return Budget(max_cost_usd=max_cost_usd, max_tokens=max_tokens, deadline=time.time() + 99)


def spend(cost_usd: float | None = 0.0, tokens: int = 0) -> Spend:
    return Spend(usage=Usage(input_tokens=tokens), cost_usd=cost_usd)


def test_allowance_is_full_at_first() -> None:
    assert reply_allowance(budget(), spend(), OPUS, 1000) == MAX_REPLY_TOKENS


def test_allowance_shrinks_to_the_money_left() -> None:
    assert OPUS
    allowed = reply_allowance(budget(1.0), spend(0.8), OPUS, 10_000)
    cost = 0.8 + allowed * OPUS.output / 1e6 + 10_000 * OPUS.write_5m / 1e6
    assert MIN_REPLY_TOKENS < allowed < MAX_REPLY_TOKENS
    assert cost == pytest.approx(1.0, abs=1e-4)
    assert cost <= 1.0


def test_allowance_shrinks_to_the_tokens_left() -> None:
    assert reply_allowance(budget(None, 50_000), spend(tokens=30_000), OPUS, 10_000) == 10_000


def test_no_limits() -> None:
    assert reply_allowance(budget(None), spend(99.0), OPUS, 10_000) == MAX_REPLY_TOKENS


def test_long_prompts_of_haiku_cost_more() -> None:
    haiku = find_model("claude-haiku-5-5")
    short = reply_allowance(budget(0.01), spend(), haiku, 40_000)
    long = reply_allowance(budget(0.01), spend(), haiku, 110_000)
    assert short > MIN_REPLY_TOKENS > long


def test_known_model_after_an_unknown_one_needs_tokens() -> None:
    unknown = Budget(max_cost_usd=5, max_tokens=None, deadline=0, spent=spend(None))
    with pytest.raises(PriceUnknown):
        require_limit(MODEL, OPUS, unknown)
    require_limit(MODEL, OPUS, unknown.model_copy(update={"max_tokens": 1000}))
    require_limit(MODEL, OPUS, budget())
    with pytest.raises(PriceUnknown):
        require_limit("local", None, budget(None))


async def test_spent_money_stops_before_any_request(serve: Serve, bench: Bench, base: Base) -> None:
    task = make_task(base, max_cost_usd=1.0, spent=spend(0.99))
    async with serve(DONE) as (server, claude):
        end = await bench.run(claude, task=task)
    assert (end.answer, end.stopped) == (None, "budget")
    assert not server.requests


async def test_money_stops_in_the_middle_and_is_never_passed(
    serve: Serve, bench: Bench, base: Base
) -> None:
    task = make_task(base, max_cost_usd=0.5)
    dear = [standin.ScriptedReply(calls("ls").content, output_tokens=5_000) for _ in range(20)]
    async with serve(*dear) as (server, claude):
        end = await bench.run(claude, task=task)
    assert end.stopped == "budget"
    assert end.spend.cost_usd
    assert 0.35 < end.spend.cost_usd <= 0.5
    told = re.fullmatch(
        rf"The next request of the {task.role} could have cost \$(.*); \$(.*) of \$0.50 was left.",
        end.shortfall,
    )
    assert told
    assert float(told[1]) > float(told[2]) == pytest.approx(0.5 - end.spend.cost_usd, abs=0.006)
    limits = [request["max_tokens"] for request in server.requests]
    assert limits == sorted(limits, reverse=True)
    assert limits[-1] < limits[0]


OPENING = "Judge calc.py. " + "It adds two numbers. " * 12_000
"""Some sixty thousand tokens: what is read again and again is most of what a run costs."""


def many(count: int = 60) -> list[standin.ScriptedReply]:
    return [
        standin.ScriptedReply(calls(f"echo {number}").content, output_tokens=3_000)
        for number in range(count)
    ]


async def test_what_is_in_the_cache_is_not_kept_back_for(
    serve: Serve, bench: Bench, base: Base
) -> None:
    async with serve(*many()) as (_, claude):
        end = await bench.run(claude, task=make_task(base, max_cost_usd=1.0), opening=OPENING)
    assert end.stopped == "budget"
    assert end.spend.cost_usd
    assert 0.9 < end.spend.cost_usd <= 1.0


async def test_a_cache_that_loses_it_costs_one_miss_over_the_limit(
    serve: Serve, bench: Bench, base: Base
) -> None:
    assert OPUS
    seconds = itertools.count(step=301.0)
    async with serve(*many()) as (server, claude):
        server._cache = PromptCache(clock=lambda: next(seconds))
        end = await bench.run(claude, task=make_task(base, max_cost_usd=1.0), opening=OPENING)
    assert end.stopped == "budget"
    assert end.spend.cost_usd
    replies = bench.ears.of("usage")
    prompt = max(reply["cache_creation_input_tokens"] for reply in replies)
    assert end.spend.cost_usd <= 1.0 + prompt * (OPUS.write_5m - OPUS.read) / 1e6


def test_the_cache_is_counted_on_for_four_minutes_and_the_same_prompt() -> None:
    seconds, first = iter([0.0, 239.0, 240.0, 10.0, 10.0]), object()
    cached = CachedPrompt(clock=lambda: next(seconds))
    assert cached.tokens((first, 0)) == 0
    usage = Usage(input_tokens=5, cache_creation_input_tokens=100, cache_read_input_tokens=900)
    cached.note((first, 0), usage, asked_at=cached.clock())
    assert cached.tokens((first, 0)) == 1000
    assert cached.tokens((first, 0)) == 0
    assert cached.tokens((first, 1)) == 0
    assert cached.tokens((object(), 0)) == 0


async def test_tokens_stop(serve: Serve, bench: Bench, base: Base) -> None:
    task = make_task(base, max_tokens=20_000)
    dear = [standin.ScriptedReply(calls("ls").content, output_tokens=4_000) for _ in range(20)]
    async with serve(*dear) as (server, claude):
        end = await bench.run(claude, task=task)
    assert end.stopped == "tokens"
    assert end.spend.usage.tokens <= 20_000
    left = 20_000 - end.spend.usage.tokens
    assert end.shortfall.endswith(f" tokens; {left:,} of 20,000 were left.")
    assert len(server.requests) >= 2


async def test_time_that_is_over_stops_before_any_request(
    serve: Serve, bench: Bench, base: Base
) -> None:
    async with serve(DONE) as (server, claude):
        end = await bench.run(claude, task=make_task(base, seconds=-1))
    assert (end.answer, end.stopped) == (None, "time")
    assert not server.requests


async def test_time_ends_a_request(serve: Serve, bench: Bench, base: Base) -> None:
    silence = standin.Silence()
    async with serve(silence) as (_, claude):
        end = await bench.run(claude, task=make_task(base, seconds=1))
        await silence.left.wait()
    assert end.stopped == "time"


async def test_time_ends_a_command(serve: Serve, bench: Bench, base: Base) -> None:
    async with serve(calls("sleep 20"), DONE) as (server, claude):
        end = await bench.run(claude, task=make_task(base, seconds=1))
    assert end.stopped == "time"
    finished = bench.ears.of("tool.finished")[0]
    assert not finished["ok"]
    assert "time limit" in finished["output"]
    assert len(server.requests) == 1


async def test_resumed_role_goes_on_with_more_money(serve: Serve, bench: Bench, base: Base) -> None:
    dear = standin.ScriptedReply(calls("echo hello").content, output_tokens=20_000)
    async with serve(dear, DONE) as (server, claude):
        first = await bench.run(claude, task=make_task(base, max_cost_usd=0.43))
        second = await bench.run(claude, task=make_task(base, max_cost_usd=2.0))
    assert first.stopped == "budget"
    assert second.answer
    assert second.spend.turns == 2
    assert results(server)[0]["content"] == "hello"
