"""The command's help and its refusals: quick, complete, and with exit code 2 for wrong usage."""

import asyncio
import re
import shlex
import sys
from pathlib import Path

import pytest

from tests.support.command.command_process import COMMAND, command, environment

COMMANDS = shlex.split(
    "run serve demo runs show watch diff approve cancel resume message rm completion doctor "
    "environment eval autofix verify github-app"
)
URL = "https://github.com/octocat/todo"


async def test_help_names_every_command(tmp_path: Path) -> None:
    ended = await command("--help", home=tmp_path)
    assert ended.code == 0
    assert re.findall(r"^  ([a-z-]+)  ", ended.out.split("Commands:")[1], re.MULTILINE) == COMMANDS
    assert "..." not in ended.out.split("Commands:")[1]
    assert all(len(line) <= 80 for line in ended.out.splitlines())


async def test_each_command_has_help(tmp_path: Path) -> None:
    ends = await asyncio.gather(*(command(name, "--help", home=tmp_path) for name in COMMANDS))
    for name, ended in zip(COMMANDS, ends, strict=True):
        assert ended.code == 0, name
        assert ended.out.startswith(f"Usage: coding-agent {name} ")
        assert "-h, --help" in ended.out


async def test_help_of_run_names_the_contracts_options(tmp_path: Path) -> None:
    ended = await command("run", "--help", home=tmp_path)
    for option in shlex.split(
        "--repo --base --setup --validate --validate-only --approve-plan --draft --max-cost "
        "--model --timeout --json --quiet --output --server --include-uncommitted --pr --after "
        "--review-only"
    ):
        assert re.search(rf"^  (-q, )?{option}[ ,]", ended.out, re.MULTILINE), option


async def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-X",
        "importtime",
        *COMMAND[1:],
        "--help",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=environment(tmp_path, {}),
    )
    _, err = await process.communicate()
    imported = {line.rpartition("|")[2].strip() for line in err.decode().splitlines()}
    heavy = "langgraph anthropic fastapi github git httpx pydantic uvicorn rich.console asyncio"
    assert "api.cli.main" in imported
    assert not imported & {*heavy.split(), "local", "demo"}


async def test_the_version_is_told(tmp_path: Path) -> None:
    ended = await command("--version", home=tmp_path)
    assert (ended.code, len(ended.out.split())) == (0, 1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["no-such-command"], "No such command"),
        (["run"], "Missing argument"),
        (["run", "x"], "is no git checkout"),
        (["run", "x", "--repo", "no/such/folder"], "is no folder of this machine"),
        (["run", "x", "--repo", "./no/folder"], "or OWNER/REPO"),
        (["run", "x", "--repo", "."], "is no git checkout"),
        (["run", " ", "--repo", URL], "is empty"),
        (["run", "x", "--repo", URL, "--max-cost", "-1"], "--max-cost"),
        (["run", "x", "--repo", URL, "--max-cost", "nan"], "--max-cost"),
        (["run", "x", "--repo", URL, "--max-cost", "0"], "US dollars above 0"),
        (["run", "x", "--repo", "https://elsewhere.example/o/r"], "is not below https://github"),
        (["run", "x", "--repo", URL, "--timeout", "0"], "'--timeout': It takes at least 1."),
        (["resume", "r", "--timeout", "abc"], "'--timeout': 'abc' is not a whole number."),
        (["resume", "r", "--max-cost", "much"], "'--max-cost': 'much' is not a number."),
        (["completion", "ksh"], "': 'ksh' is not one of 'bash', 'zsh', 'fish'."),
        (["run", "x", "--repo", URL, "--include-uncommitted"], "takes a checkout"),
        (["run", "x", "--repo", URL, "--json", "--quiet"], "--quiet"),
        (["run", "x", "--repo", URL, "--output", "no/such/file"], "there is no folder"),
        (["runs", "--server", "ftp://x"], "--server"),
        (["runs", "--server", "http://far.example"], "https"),
        (["runs", "--limit", "0"], "'--limit': It takes at least 1."),
        (["approve", "r", "--revise", "x", "--reject"], "--revise"),
        (["approve", "r", "--revise", " "], "--revise"),
        (["serve", "--port", "70000"], "'--port': It takes at most 65535."),
    ],
)
async def test_wrong_usage_ends_with_2(words: list[str], said: str, tmp_path: Path) -> None:
    ended = await command(*words, home=tmp_path)
    assert ended.code == 2
    assert said in " ".join(ended.err.split())
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    "words",
    [
        [b"run", b"caf\xe9", b"--repo", b"o/r"],
        [b"run", b"x", b"--repo", b"o/r\xff"],
        [b"run", b"x", b"--repo", b"o/r", b"--title", b"\xff"],
        [b"run", b"x", b"--repo", b"o/r", b"--label", b"a", b"--label", b"\xff"],
        [b"run", b"-", b"--repo", b"o/r"],
        [b"message", b"01k9zq4c8e7m2v5x3w1t6b0n9d", b"\xff"],
        [b"approve", b"01k9zq4c8e7m2v5x3w1t6b0n9d", b"--revise", b"\xff"],
        [b"show", b"\xff"],
    ],
)
async def test_text_that_is_not_utf_8_ends_with_2(words: list[bytes], tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *map(str.encode, COMMAND),
        *words,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(tmp_path, {}),
        cwd=tmp_path,
    )
    _, err = await process.communicate(b"caf\xe9\n")
    assert process.returncode == 2
    assert "is not UTF-8 text" in " ".join(err.decode().split())


async def test_settings_that_do_not_fit_end_with_2(tmp_path: Path) -> None:
    ended = await command("runs", home=tmp_path, env={"CODING_AGENT_MAX_COST_USD": "much"})
    assert ended.code == 2
    assert "CODING_AGENT_MAX_COST_USD" in ended.err


async def test_a_server_does_not_get_a_path_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    server = {"CODING_AGENT_SERVER": "http://127.0.0.1:9"}
    ended = await command("run", "x", "--repo", ".", home=tmp_path, env=server)
    assert ended.code == 2
    assert "cannot reach a checkout" in ended.err
