"""Anthropic's bash tool in the sandbox."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from roles.tools.bash import BashTool, reads_only
from sandbox.core.protocol import ExecResult, LimitHit
from tests.standins.directory_sandbox import DirectorySandbox


@pytest.fixture
def tool(sandbox: DirectorySandbox) -> BashTool:
    return BashTool(sandbox)


@pytest.mark.parametrize(
    ("command", "content", "ok"),
    [
        ("echo hello", "hello", True),
        ("true", "[no output]", True),
        ("echo oops >&2; exit 2", "oops\n[exit code 2]", False),
        ("false", "[exit code 1]", False),
        ("printf 'a\\0b\\033[31mred\\033[0m'", "abred", True),
        ("cat", "[no output]", True),
    ],
)
async def test_result(tool: BashTool, command: str, content: str, ok: bool) -> None:
    result = await tool.call({"command": command}, 60)
    assert result.content == content
    assert result.ok is ok
    assert not result.is_error


async def test_each_command_has_a_fresh_shell(tool: BashTool) -> None:
    await tool.call({"command": "cd /; export A=1"}, 60)
    result = await tool.call({"command": "pwd; echo ${A:-none}"}, 60)
    assert result.content.endswith("workspace\nnone")


async def test_long_output_keeps_both_ends(tool: BashTool) -> None:
    result = await tool.call({"command": "echo first; seq 1 20000; echo last"}, 60)
    assert result.content.startswith("first\n1\n")
    assert result.content.endswith("\nlast")
    assert "bytes left out" in result.content
    assert len(result.content) < 16_200


async def test_time_left_is_the_limit_and_nothing_is_looked_at_after(
    sandbox: DirectorySandbox,
) -> None:
    async def show_tree() -> str:
        raise AssertionError("there is no time left to look at the tree")

    tool = BashTool(sandbox, show_tree)
    result = await tool.call({"command": "sleep 30"}, 0.2)
    assert result.is_error
    assert result.content == "[stopped after 0 s: the command reached its time limit]"


@pytest.mark.parametrize("limit", ["time", "memory", "pids", "disk", "output"])
async def test_every_limit_has_words(limit: LimitHit) -> None:
    class Limited(DirectorySandbox):
        async def run(self, command: str, **_: object) -> ExecResult:
            return ExecResult(None, b"so far\n", 0, 90_400, limit)

    async def show_tree() -> str:
        return " Changed there now:\n M a.py"

    tool = BashTool(Limited(Path(), Path()), show_tree)
    result = await tool.call({"command": "make"}, 1)
    assert result.content.startswith("so far\n[stopped after 90 s: the command reached ")
    assert result.content.endswith("] Changed there now:\n M a.py")
    assert result.is_error
    assert "Changed" not in (await tool.call({"command": "cat a.py"}, 1)).content


async def test_restart_is_answered(tool: BashTool) -> None:
    result = await tool.call({"restart": True}, 60)
    assert "shell of its own" in result.content
    assert not result.is_error


@pytest.mark.parametrize("arguments", [{"command": 5}, {"command": ""}, {"restart": "yes"}])
async def test_misfit(tool: BashTool, arguments: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        await tool.call(arguments, 60)


@pytest.mark.parametrize(
    "command",
    [
        "ls -la src",
        "cat a b",
        "grep -rn 'def add' .",
        "rg 'a|b' src",
        "head -n 20 a | tail -5",
        "sed -n 3,9p calc.py",
        "git log --oneline -5",
        "git show HEAD",
        "find . -name '*.py' -type f",
        "wc -l calc.py",
    ],
)
def test_reading(command: str) -> None:
    assert reads_only(command)


@pytest.mark.parametrize(
    "command",
    [
        "",
        "echo a > b",
        "cat a; rm b",
        "cat a && rm b",
        "ls || rm b",
        "ls &",
        "cat $(rm a)",
        "cat `rm a`",
        "rm a",
        "ls | xargs rm",
        "cat a | tee b",
        "sed -i s/a/b/ c",
        "sed -n wout a",
        "sed -n 1p -i a",
        "find . -delete",
        "find . -exec rm a",
        "find . -fprint a",
        "rg --pre rm a",
        "git commit -m x",
        "git checkout a",
        "git log --output=a",
        "python -c 1",
        "A=1 ls",
        "cat 'unclosed",
        "ls\nrm a",
        "| cat",
        "cat a |",
    ],
)
def test_not_surely_reading(command: str) -> None:
    assert not reads_only(command)
