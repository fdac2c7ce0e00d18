"""A role call that was broken off goes on from its transcript."""

import asyncio
import json
import os
import threading
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from graph import Usage
from graph.errors import ClaudeRejected, ClaudeUnavailable, RoleSuperseded, StoreDamaged
from graph.values import Base
from roles.claude.client import Claude
from roles.transcript.transcript import (
    AssistantMessage,
    OpenRequest,
    UserMessage,
    load_messages,
)
from tests.standins.claude import Cut, HttpError, ScriptedReply, Silence, calls, tool_use
from tests.support.roles.role_bench import (
    DONE,
    RUN,
    Bench,
    Ears,
    Serve,
    make_task,
    results,
    transcript,
)


async def broken_off(bench: Bench, claude: Claude, enough: Coroutine[Any, Any, Any]) -> None:
    """Run until enough was heard, then cancel, as the end of a process would."""
    running = asyncio.create_task(bench.run(claude))
    await asyncio.wait_for(enough, 100)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


def files(bench: Bench) -> list[Path]:
    return sorted((bench.runs / RUN / "transcripts" / "0001-coder").glob("[0-9]*.json"))


async def test_goes_on_after_the_last_message(serve: Serve, bench: Bench) -> None:
    silence = Silence(after=0)
    async with serve(calls("echo one"), silence, DONE) as (server, claude):
        await broken_off(bench, claude, silence.begun.wait())
        before = bench.ears
        bench.ears = Ears()
        end = await bench.run(claude)
    assert end.answer
    assert end.spend.turns == 2
    assert server.requests[1]["messages"] == server.requests[2]["messages"]
    assert results(server)[0]["content"] == "one"
    told_again = [event for event in bench.ears.events if event.key in before.keys]
    types = [event.type for event in told_again]
    assert types == ["usage", "tool.started", "tool.finished", "usage"]
    assert [e.data() for e in told_again] == [
        e.data() for e in before.events if not e.type.startswith("role.")
    ]


async def test_attempt_is_recorded_before_it_is_sent(serve: Serve, bench: Bench) -> None:
    silence = Silence()
    async with serve(silence, DONE) as (_, claude):
        running = asyncio.create_task(bench.run(claude))
        await silence.begun.wait()
        assert json.loads(files(bench)[0].read_text())["attempts"] == [None]
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        bench.ears = Ears()
        await bench.run(claude)
    assert bench.ears.keys[-1] == "1.1.2.usage"


async def test_a_request_whose_end_nobody_saw_is_counted_once(serve: Serve, bench: Bench) -> None:
    """Its process was killed: nothing was written after the request had been sent."""
    silence = Silence()
    async with serve(silence, calls("ls"), HttpError(400, "invalid_request_error"), DONE) as (
        _,
        claude,
    ):
        running = asyncio.create_task(bench.run(claude))
        await silence.begun.wait()
        killed = files(bench)[0].read_bytes()
        running.cancel()
        await asyncio.wait((running,))
        files(bench)[0].write_bytes(killed)
        bench.ears = Ears()
        with pytest.raises(ClaudeRejected):
            await bench.run(claude)
        lost, kept = bench.ears.of("usage")
        bench.ears = Ears()
        end = await bench.run(claude)
    assert bench.ears.of("usage")[:2] == [lost, kept]
    assert bench.ears.keys[0] == "1.1.1.usage"
    assert (lost["replies"], lost["reckoned"], kept["reckoned"]) == (0, True, False)
    prompt = kept["input_tokens"] + kept["cache_creation_input_tokens"]
    assert lost["cache_creation_input_tokens"] >= prompt
    assert end.spend.cost_usd == pytest.approx(sum(e["costUsd"] for e in bench.ears.of("usage")))
    assert end.spend.cost_usd > lost["costUsd"] > 0


@pytest.mark.parametrize(
    ("after_s", "output"), [(0, 0), (10, 5_000), (3600, 32_000), (-3600, 32_000)]
)
def test_what_it_may_have_written_grows_with_time(after_s: float, output: int) -> None:
    reserved = Usage(cache_creation_input_tokens=7, output_tokens=32_000)
    reckoned = OpenRequest(began=5_000, reserved=reserved).reckon(5_000 + after_s)
    assert reckoned == Usage(cache_creation_input_tokens=7, output_tokens=output)


async def test_interrupted_call_is_not_run_again(serve: Serve, bench: Bench) -> None:
    call = tool_use("bash", {"command": "echo x >> ran; sleep 20"})
    async with serve(ScriptedReply((call,)), DONE) as (server, claude):
        await broken_off(
            bench, claude, bench.ears.until(lambda: len(bench.ears.of("tool.started")) == 1)
        )
        assert len(files(bench)) == 2
        end = await bench.run(claude)
    assert end.answer
    result = results(server)[0]
    assert result["is_error"] is True
    assert result["content"].startswith("interrupted, may have run in part")
    assert result["tool_use_id"] == call["id"]
    keys = Counter(event.key for event in bench.ears.events if event.type == "tool.started")
    assert keys == {"1.1.1.call0.started": 2}


async def test_whole_answer_is_not_asked_for_again(serve: Serve, bench: Bench) -> None:
    async with serve(calls("ls"), DONE) as (server, claude):
        first = await bench.run(claude)
        second = await bench.run(claude)
    assert first == second
    assert len(server.requests) == 2


async def test_damaged_last_file_is_left_out(serve: Serve, bench: Bench) -> None:
    async with serve(calls("echo one"), calls("echo two"), DONE) as (server, claude):
        await broken_off(bench, claude, bench.ears.until(lambda: len(bench.ears.of("usage")) == 2))
        last = files(bench)[-1]
        last.write_bytes(last.read_bytes()[:40])
        assert (await bench.run(claude)).answer
    assert len(server.requests) >= 3


@pytest.mark.parametrize("damage", [b"", b"{", b"null", b'{"role": "user"}', b"\xff\xfe"])
async def test_damage_of_every_kind(serve: Serve, bench: Bench, damage: bytes) -> None:
    async with serve(calls("echo one"), HttpError(400, "invalid_request_error"), DONE) as (
        server,
        claude,
    ):
        with pytest.raises(Exception, match="invalid_request"):
            await bench.run(claude)
        files(bench)[-1].write_bytes(damage)
        assert (await bench.run(claude)).answer
    assert results(server)[0]["content"].startswith("interrupted")


async def test_damage_in_the_middle_is_an_error(serve: Serve, bench: Bench) -> None:
    async with serve(calls("ls"), DONE) as (_, claude):
        await bench.run(claude)
        files(bench)[1].write_bytes(b"{")
        with pytest.raises(StoreDamaged, match="0001-coder"):
            await bench.run(claude)


async def test_lost_replies_stay_counted(serve: Serve, bench: Bench) -> None:
    async with serve(Cut(), *[HttpError(529)] * 3, DONE) as (_, claude):
        with pytest.raises(ClaudeUnavailable):
            await bench.run(claude)
        spent = bench.ears.of("usage")
        bench.ears = Ears()
        end = await bench.run(claude)
    assert bench.ears.of("usage")[0] == spent[0]
    assert end.spend.cost_usd
    assert end.spend.cost_usd > spent[0]["costUsd"]
    assert bench.ears.keys[-1] == "1.1.5.usage"


async def test_older_call_cannot_write(serve: Serve, bench: Bench, base: Base) -> None:
    (bench.runs / RUN / "fence").write_text("2")
    async with serve(DONE) as (server, claude):
        with pytest.raises(RoleSuperseded):
            await bench.run(claude)
        assert not server.requests
        assert (await bench.run(claude, task=make_task(base, fence=2))).answer


async def test_damaged_fence(serve: Serve, bench: Bench) -> None:
    (bench.runs / RUN / "fence").write_text("two")
    async with serve(DONE) as (_, claude):
        with pytest.raises(StoreDamaged):
            await bench.run(claude)


async def test_transcript_is_private_and_small(serve: Serve, bench: Bench) -> None:
    async with serve(*[calls(f"cat calc.py; true {n}") for n in range(10)], DONE) as (_, claude):
        await bench.run(claude)
    folder = files(bench)[0].parent
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}
    assert len(list(folder.iterdir())) == len(files(bench)) == 22
    assert sum(file.stat().st_size for file in folder.iterdir()) < 22 * 600
    loaded: Any = transcript(bench.runs, bench.task)
    assert loaded.turn == 12


async def test_a_request_does_not_wait_for_the_disk_and_its_reply_does(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, may_sync = list[int](), threading.Event()

    def sync_when_it_may(handle: int) -> None:
        assert may_sync.wait(60)
        synced.append(handle)

    monkeypatch.setattr(os, "fsync", sync_when_it_may)
    kept = transcript(bench.runs, bench.task)
    await kept.append(UserMessage(purpose="opening", content=[]))
    assert await kept.begin_attempt(Usage(output_tokens=7)) == 1
    assert [load_messages(file.parent)[0].attempts for file in files(bench)] == [[None]]
    reply = AssistantMessage(attempt=1, stop_reason="x", usage=Usage(), model="m", content=[])
    keeping = asyncio.create_task(kept.append(reply))
    await asyncio.sleep(0.05)
    assert (len(files(bench)), synced, keeping.done()) == (1, [], False)
    may_sync.set()
    await keeping
    assert (len(files(bench)), len(synced)) == (2, 2)
