"""A turn that fails is sent again: how often, how late, told how, and at whose cost."""

import asyncio
import time
from typing import Any

import pytest

from graph.errors import (
    ClaudeError,
    ClaudeRateLimited,
    ClaudeRejected,
    ClaudeUnauthorized,
    ClaudeUnavailable,
)
from graph.values import Base
from tests.standins import claude as standin
from tests.standins.claude import HttpError, calls
from tests.support.roles.role_bench import (
    DONE,
    MODEL,
    Bench,
    Serve,
    make_task,
    transcript,
)


@pytest.mark.parametrize(
    "fault",
    [
        HttpError(429, "rate_limit_error"),
        HttpError(429, "rate_limit_error", headers={"retry-after": "0"}),
        HttpError(529, "overloaded_error"),
        HttpError(500),
        standin.Cut(),
        standin.Reset(),
        standin.ErrorEvent(),
        standin.Malformed(),
        standin.Misplaced(),
    ],
    ids=repr,
)
async def test_fault_is_repeated_with_the_same_history(
    serve: Serve, bench: Bench, fault: Any
) -> None:
    async with serve(calls("ls"), fault, fault, DONE) as (server, claude):
        end = await bench.run(claude)
    assert end.answer
    assert end.spend.turns == 2
    assert server.requests[1]["messages"] == server.requests[3]["messages"]
    retries = bench.ears.of("retry")
    assert [retry["attempt"] for retry in retries] == [1, 2]
    assert {retry["what"] for retry in retries} == {"claude"}
    assert all(retry["reason"] for retry in retries)
    assert bench.ears.keys[-1] == "1.2.3.usage"
    assert len(set(bench.ears.keys)) == len(bench.ears.keys)


async def test_silence_is_repeated(serve: Serve, bench: Bench) -> None:
    async with serve(standin.Silence(), DONE, silence_s=0.2) as (_, claude):
        assert (await bench.run(claude)).answer
    assert len(bench.ears.of("retry")) == 1


async def test_attempts_are_bounded(serve: Serve, bench: Bench) -> None:
    async with serve(*[HttpError(529, "overloaded_error")] * 9) as (server, claude):
        with pytest.raises(ClaudeUnavailable, match="overloaded"):
            await bench.run(claude)
    assert len(server.requests) == bench.retry_policy.attempts
    assert len(bench.ears.of("retry")) == bench.retry_policy.attempts - 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (HttpError(401, "authentication_error"), ClaudeUnauthorized),
        (HttpError(400, "invalid_request_error"), ClaudeRejected),
        (HttpError(404, "not_found_error"), ClaudeRejected),
        (HttpError(500, headers={"x-should-retry": "false"}), ClaudeUnavailable),
    ],
)
async def test_hopeless_fault_is_not_repeated(
    serve: Serve, bench: Bench, fault: HttpError, error: type[ClaudeError]
) -> None:
    async with serve(fault, DONE) as (server, claude):
        with pytest.raises(error):
            await bench.run(claude)
    assert len(server.requests) == 1
    assert bench.ears.of("retry") == []


async def test_retry_after_is_kept(serve: Serve, bench: Bench) -> None:
    limited = HttpError(429, "rate_limit_error", headers={"retry-after-ms": "300"})
    async with serve(limited, DONE) as (_, claude):
        began = time.monotonic()
        assert (await bench.run(claude)).answer
    assert time.monotonic() - began >= 0.3
    assert bench.ears.of("retry")[0]["waitMs"] == 300


async def test_wait_beyond_the_runs_time_is_not_begun(
    serve: Serve, bench: Bench, base: Base
) -> None:
    limited = HttpError(429, "rate_limit_error", headers={"retry-after": "120"})
    async with serve(limited, DONE) as (_, claude):
        with pytest.raises(ClaudeRateLimited):
            await bench.run(claude, task=make_task(base, seconds=60))
    assert bench.ears.of("retry") == []


async def test_broken_replies_are_paid_and_told(serve: Serve, bench: Bench) -> None:
    async with serve(standin.Cut(), DONE) as (_, claude):
        end = await bench.run(claude)
    lost, kept = bench.ears.of("usage")
    assert lost["input_tokens"] > 0
    assert end.spend.turns == 1
    assert end.spend.cost_usd == pytest.approx(lost["costUsd"] + kept["costUsd"])
    attempts = transcript(bench.runs, bench.task).messages[0].attempts
    assert [usage is not None for usage in attempts] == [True, False]


@pytest.mark.parametrize("why", ["cancelled", "out of time"])
async def test_a_reply_that_is_not_waited_for_is_paid_and_told(
    serve: Serve, bench: Bench, base: Base, why: str
) -> None:
    """Who goes on later in the transcript tells it again, under the same key."""
    silence = standin.Silence()
    async with serve(silence, DONE) as (_, claude):
        seconds = 60 if why == "cancelled" else 1
        call = asyncio.create_task(bench.run(claude, task=make_task(base, seconds=seconds)))
        await silence.begun.wait()
        if why == "cancelled":
            await asyncio.sleep(0.1)
            call.cancel()
        await asyncio.wait((call,))
        (lost,) = bench.ears.of("usage")
        assert lost["input_tokens"] + lost["cache_creation_input_tokens"] > 0
        assert lost["replies"] == 0
        end = await bench.run(claude)
    again, kept = bench.ears.of("usage")[1:]
    assert again == lost
    assert end.spend.cost_usd == pytest.approx(lost["costUsd"] + kept["costUsd"])


async def test_one_that_is_cancelled_before_a_word_may_have_cost_its_prompt(
    serve: Serve, bench: Bench
) -> None:
    silence = standin.Silence(after=0)
    async with serve(silence, DONE) as (_, claude):
        call = asyncio.create_task(bench.run(claude))
        await silence.begun.wait()
        call.cancel()
        await asyncio.wait((call,))
        (lost,) = bench.ears.of("usage")
        end = await bench.run(claude)
    again, kept = bench.ears.of("usage")[1:]
    assert again == lost
    assert (lost["replies"], lost["reckoned"], lost["output_tokens"]) == (0, True, 0)
    assert lost["cache_creation_input_tokens"] > 0
    assert end.spend.cost_usd == pytest.approx(lost["costUsd"] + kept["costUsd"])


async def test_model_is_told(serve: Serve, bench: Bench) -> None:
    async with serve(DONE) as (_, claude):
        await bench.run(claude)
    assert bench.ears.of("usage")[0]["model"] == MODEL
