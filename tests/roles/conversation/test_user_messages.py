"""What the user says while a role works is heard at its next turn, once."""

from pathlib import Path
from typing import Any

import pytest

from graph.errors import StoreDamaged
from graph.values import Base
from runs.driving.run_folder_files import write_message
from tests.standins.claude import Slow, calls
from tests.support.roles.role_bench import (
    DONE,
    RUN,
    Bench,
    Serve,
    make_task,
)


def say(runs: Path, number: int, text: str) -> str:
    """What the user says, and what the role is to hear of it."""
    write_message(runs, RUN, number, text)
    return f"The user adds:\n<message>\n{text}\n</message>"


def texts(request: dict[str, Any], message: int = -1) -> list[str]:
    content = request["messages"][message]["content"]
    return [block["text"] for block in content if block["type"] == "text"]


async def test_heard_at_the_next_turn_once(serve: Serve, bench: Bench) -> None:
    folder = bench.runs / RUN / "messages"
    speak = f'mkdir {folder}; echo \'{{"text": " Use tabs. "}}\' > {folder}/0001.json'
    async with serve(calls(speak), calls("ls"), DONE) as (server, claude):
        assert (await bench.run(claude)).answer
    assert texts(server.requests[1]) == ["The user adds:\n<message>\nUse tabs.\n</message>"]
    assert texts(server.requests[2]) == []
    kinds = [block["type"] for block in server.requests[1]["messages"][-1]["content"]]
    assert kinds == ["tool_result", "text"]


async def test_later_role_hears_all_at_once(serve: Serve, bench: Bench) -> None:
    said = [say(bench.runs, number, text) for number, text in ((1, "One."), (2, "Zwei ü"))]
    async with serve(DONE) as (server, claude):
        await bench.run(claude)
    assert texts(server.requests[0]) == ["Judge calc.py.", *said]


async def test_late_number_is_heard(serve: Serve, bench: Bench) -> None:
    folder = bench.runs / RUN / "messages"
    speak = f'echo \'{{"text": "One."}}\' > {folder}/0001.json'
    said = say(bench.runs, 2, "Two.")
    async with serve(calls(speak), DONE) as (server, claude):
        await bench.run(claude)
    assert texts(server.requests[0])[1:] == [said]
    assert texts(server.requests[1]) == [said.replace("Two", "One")]


async def test_not_heard_twice_after_resuming(serve: Serve, bench: Bench, base: Base) -> None:
    said = say(bench.runs, 1, "One.")
    async with serve(calls("ls"), Slow(), DONE) as (server, claude):
        await bench.run(claude, task=make_task(base, seconds=1))
        await bench.run(claude)
    assert str(server.requests[-1]["messages"]).count("One.") == 1
    assert said in texts(server.requests[-1], 0)


@pytest.mark.parametrize("damage", [b"", b"[]", b'{"words": 1}', b"\xff"])
async def test_damaged_message(serve: Serve, bench: Bench, damage: bytes) -> None:
    say(bench.runs, 1, "One.")
    (bench.runs / RUN / "messages" / "0001.json").write_bytes(damage)
    async with serve(DONE) as (_, claude):
        with pytest.raises(StoreDamaged, match=r"0001\.json"):
            await bench.run(claude)


async def test_what_is_read_and_answered_is_told_once(
    serve: Serve, bench: Bench, base: Base
) -> None:
    say(bench.runs, 1, "One.")
    async with serve(calls("ls"), Slow(), DONE) as (_, claude):
        await bench.run(claude, task=make_task(base, seconds=1))
        await bench.run(claude)
    told = {event.key: event.data() for event in bench.ears.events if "message" in event.type}
    assert list(told.values()) == [
        {"type": "message.read", "number": 1, "role": "coder"},
        {"type": "message.answered", "number": 1, "role": "coder"},
    ]
