"""The tool calls of one reply: in order or side by side, and what is told of wrong ones."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from graph.errors import RoleSuperseded
from graph.values import Base
from tests.standins.claude import ScriptedReply, calls, tool_use
from tests.standins.directory_sandbox import DirectorySandbox
from tests.support.roles.role_bench import (
    DONE,
    Bench,
    Serve,
    make_task,
    results,
)


def tree(bench: Bench) -> Path:
    """The folder its commands run in."""
    assert isinstance(bench.sandbox, DirectorySandbox)
    return bench.sandbox.root


async def test_reading_calls_run_side_by_side(serve: Serve, bench: Bench) -> None:
    class Slowly(DirectorySandbox):
        """A tree on which every command takes its time."""

        at_once = most = 0

        async def run(self, command: str, **options: Any) -> Any:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
            await asyncio.sleep(0.1)
            result = await super().run(command, **options)
            self.at_once -= 1
            return result

    bench.sandbox = slowly = Slowly(tree(bench), tree(bench))
    commands = ["cat calc.py", "ls", "grep -n add calc.py", "echo x > a", "cat a", "rm a"]
    async with serve(calls(*commands), DONE) as (server, claude):
        await bench.run(claude)
    assert slowly.most == 3
    assert slowly.commands[3:] == ["echo x > a", "cat a", "rm a"]
    told = [result["content"] for result in results(server)]
    assert told[2] == "1:def add(a, b):"
    assert told[3:] == ["[no output]", "x", "[no output]"]


async def test_error_of_one_call_is_itself(serve: Serve, bench: Bench) -> None:
    class Lost(DirectorySandbox):
        async def run(self, command: str, **_: Any) -> Any:
            raise RoleSuperseded(f"lost under {command}")

    bench.sandbox = Lost(tree(bench), tree(bench))
    async with serve(calls("cat a", "cat b")) as (_, claude):
        with pytest.raises(RoleSuperseded):
            await bench.run(claude)


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("python", {"code": "1"}, "The tools are: bash, str_replace_based_edit_tool"),
        ("bash", {}, "no command"),
        ("bash", {"command": ["ls"]}, 'bash takes {"command"'),
        ("bash", {"command": ""}, 'bash takes {"command"'),
        ("str_replace_based_edit_tool", {"command": "undo", "path": "a"}, "str_replace (path"),
        ("str_replace_based_edit_tool", {"path": "calc.py"}, "view (path"),
        ("str_replace_based_edit_tool", {"command": "create", "path": "a"}, "file_text"),
        ("str_replace_based_edit_tool", {"command": "view", "path": "gone.py"}, "no such file"),
    ],
)
async def test_wrong_call_is_told_what_is_right(
    serve: Serve, bench: Bench, name: str, arguments: dict[str, Any], told: str
) -> None:
    async with serve(ScriptedReply((tool_use(name, arguments),)), DONE) as (server, claude):
        assert (await bench.run(claude)).answer
    assert results(server)[0]["is_error"] is True
    assert told in results(server)[0]["content"]
    assert bench.ears.of("tool.finished")[0]["ok"] is False


async def test_exit_code_is_told(serve: Serve, bench: Bench) -> None:
    async with serve(calls("echo no; exit 3"), DONE) as (server, claude):
        await bench.run(claude)
    assert results(server)[0]["content"] == "no\n[exit code 3]"
    assert "is_error" not in results(server)[0]
    finished = bench.ears.of("tool.finished")[0]
    assert (finished["ok"], finished["exitCode"]) == (False, 3)


async def test_after_the_deadline_no_call_starts(serve: Serve, bench: Bench, base: Base) -> None:
    """The first call of many outlasts the role's time."""

    class OutlastsTheRole(DirectorySandbox):
        async def run(self, command: str, **options: Any) -> Any:
            await asyncio.sleep(max(0.0, task.budget.deadline - time.time()))
            return await super().run(command, **options)

    task = make_task(base, seconds=3)
    bench.sandbox = outlasting = OutlastsTheRole(tree(bench), tree(bench))
    many = [f"echo {number} >> made" for number in range(50)]
    async with serve(calls(*many), DONE) as (server, claude):
        end = await bench.run(claude, task=task)
    assert (end.answer, end.stopped) == (None, "time")
    assert len(outlasting.commands) <= 1
    assert len(server.requests) == 1
    finished = bench.ears.of("tool.finished")
    assert len(finished) == 50
    assert "time of the run is spent" in finished[-1]["output"]


async def test_calls_of_a_reply_are_bounded(serve: Serve, bench: Bench) -> None:
    many = [f"echo {number} > made" for number in range(103)]
    async with serve(calls(*many), DONE) as (server, claude):
        assert (await bench.run(claude)).answer
    told = results(server)
    assert [result.get("is_error", False) for result in told] == [False] * 100 + [True] * 3
    assert "at most 100 tools" in told[-1]["content"]
    assert (tree(bench) / "made").read_text() == "99\n"
