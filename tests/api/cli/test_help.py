"""The command's help and its refusals: quick, complete, and with exit code 2 for wrong usage."""

import asyncio
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command

from api.cli.command_group import describe_misfit
from api.cli.main import app
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
        assert not re.search(r"<(str|file|list)|x[<>]=", ended.out), name


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


@pytest.mark.slow
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
        (["run", "x", "--repo", URL, "--title", ""], "'--title': is empty"),
        (["run", "x", "--repo", URL, "--setup", "true", "--setup", " "], "'--setup': is empty"),
        (["run", "x", "--repo", URL, "--base", "a..b"], "--base: must be the name of a branch"),
        (["run", "x", "--repo", URL, "--allow", "x"], "--allow: Input should be 'workflows',"),
        (["run", "x", "--repo", URL, "--include-uncommitted"], "takes a checkout"),
        (["run", "x", "--repo", URL, "--json", "--quiet"], "--quiet"),
        (["run", "x", "--repo", URL, "--output", "no/such/file"], "there is no folder"),
        (["runs", "--server", "ftp://x"], "--server"),
        (["runs", "--server", "http://far.example"], "https"),
        (["github-app", "create", "--webhook-url", "x"], "'x' is no address; give https://…"),
        (["github-app", "create", "--organization", "a/b"], "'a/b' is no name of an organization"),
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


def _wrong_lines() -> Iterator[tuple[Any, list[str]]]:
    """Each command, with each of its words in turn as a value that fits hardly any."""
    groups: list[Any] = [get_command(app)]
    values = ["", "abc", "-1", "nan", "1e999", "9" * 5_000, "1.5", "/", "\0", "\udcff"]
    for group in groups:
        for leaf in group.commands.values():
            if hasattr(leaf, "commands"):
                groups.append(leaf)
                continue
            named = [word for word in leaf.params if word.param_type_name == "argument"]
            options = [word for word in leaf.params if not getattr(word, "is_flag", True)]
            others = ["x" for _ in named]
            for value in values:
                yield from ((leaf, [f"{word.opts[0]}={value}", "--", *others]) for word in options)
                yield leaf, ["--", *(value for _ in named)]


def test_no_value_is_refused_in_the_words_of_a_library() -> None:
    told = set()
    for leaf, words in _wrong_lines():
        try:
            leaf.make_context(leaf.name, words)
        except typer.BadParameter as error:
            told.add(describe_misfit(error))
    assert {"'abc' is not a whole number.", "'' is not one of 'merged', 'green'."} <= told
    assert "is empty" in told
    for text in told:
        assert not re.search(r"Input|Value error|should be|valid|pydantic|\{", text), text


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
