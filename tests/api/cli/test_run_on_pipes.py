"""`run`, `watch` and `resume` as scripts use them: on pipes, against a server."""

import asyncio
import json
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.standins.servers.one_run_server import Answer, Cut, problem
from tests.standins.servers.run_events import (
    PR_URL,
    RUN_ID,
    finished,
    started,
    whole_run,
)
from tests.standins.servers.scripted_run_server import WAITING, RunServer
from tests.support.command.command_process import COMMAND, command, environment

pytestmark = pytest.mark.slow

_NOBODY = {"CODING_AGENT_SERVER": "http://127.0.0.1:9"}
ORDER = ("run", "Add a flag", "--repo", "https://github.com/octocat/todo")


def bare(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Events without what the server adds."""
    return [
        {name: value for name, value in event.items() if name not in {"seq", "runId", "time"}}
        for event in events
    ]


@asynccontextmanager
async def serving(server: RunServer) -> AsyncIterator[dict[str, str]]:
    """The environment in which the command asks `server`."""
    async with server.serving():
        yield {"CODING_AGENT_SERVER": server.address}


@pytest.mark.parametrize(
    ("status", "code"), [("succeeded", 0), ("failed", 1), ("rejected", 3), ("timed_out", 4)]
)
async def test_the_exit_code_is_the_runs(status: str, code: int, tmp_path: Path) -> None:
    server = RunServer([started(), finished(status)])
    async with serving(server) as env:
        ended = await command(*ORDER, "-q", home=tmp_path, env=env)
    assert (ended.code, ended.out) == (code, f"{status}\n")


async def test_plain_lines_tell_the_story(tmp_path: Path) -> None:
    server = RunServer(bare(whole_run()))
    async with serving(server) as env:
        ended = await command(*ORDER, home=tmp_path, env=env)
    assert ended.code == 0
    assert "✓ prepare  (1.2 s)" in ended.out
    assert f"pull request  {PR_URL}" in ended.out
    assert "\x1b" not in ended.out
    assert ended.err == ""


async def test_json_is_the_events_whatever_breaks(tmp_path: Path) -> None:
    server = RunServer(bare(whole_run()))
    server.cuts = [Cut("reset", 3), Cut("half", 9), Cut("end", 2)]
    async with serving(server) as env:
        ended = await command(*ORDER, "--json", home=tmp_path, env=env)
    assert [json.loads(line) for line in ended.out.splitlines()] == server.log
    assert ended.code == 0


async def test_options_reach_the_server(tmp_path: Path) -> None:
    server = RunServer([started(), finished("no_changes")])
    options = shlex.split(
        "--base dev --branch agent/topic --setup make --validate a --validate b --validate-only "
        "--draft --title T "
        "--label l --reviewer octocat --allow workflows --max-cost 2.5 --max-fix-rounds 0 "
        "--timeout 60 --model claude-opus-4-8 -q"
    )
    async with serving(server) as env:
        ended = await command(
            "run",
            "-",
            *ORDER[2:],
            *options,
            home=tmp_path,
            stdin=b"Two\nlines",
            env={**env, "CODING_AGENT_API_KEY": "k" * 30},
        )
    assert ended.code == 3
    assert server.requests[0].body == {
        "repoUrl": "https://github.com/octocat/todo",
        "prompt": "Two\nlines",
        "baseBranch": "dev",
        "branch": "agent/topic",
        "setup": ["make"],
        "validate": ["a", "b"],
        "validateOnly": True,
        "draft": True,
        "title": "T",
        "labels": ["l"],
        "reviewers": ["octocat"],
        "allow": ["workflows"],
        "maxCostUsd": 2.5,
        "maxFixRounds": 0,
        "timeoutS": 60,
        "model": "claude-opus-4-8",
    }
    assert {request.headers["authorization"] for request in server.requests} == {
        "Bearer " + "k" * 30
    }


@pytest.mark.slow
async def test_a_pull_request_and_a_run_to_follow_reach_the_server(tmp_path: Path) -> None:
    url, parent = "https://github.com/octocat/todo/pull/7", "0123456789ABCDEFGHJKMNPQRS"
    server = RunServer([started(), finished("no_changes")])
    async with serving(server) as env:
        await command("run", "Fix it", "--pr", url, "-q", home=tmp_path, env=env)
    assert server.requests[0].body == {
        "repoUrl": "https://github.com/octocat/todo",
        "pullRequest": url,
        "prompt": "Fix it",
    }
    server = RunServer([started(), finished("no_changes")])
    async with serving(server) as env:
        await command("run", "Fix it", "--after", parent, "-q", home=tmp_path, env=env)
    assert server.requests[0].body == {"parentRunId": parent, "prompt": "Fix it"}


async def test_the_option_names_the_server_and_wins(tmp_path: Path) -> None:
    server = RunServer([started(), finished("succeeded")])
    async with server.serving():
        words = (*ORDER, "-q", "--server", f"{server.address}/")
        ended = await command(*words, home=tmp_path, env=_NOBODY)
    assert ended.code == 0


async def test_output_gets_the_diffs_bytes(tmp_path: Path) -> None:
    server = RunServer([started(), finished("succeeded")])
    diff = b"diff --git a/x b/x\n\xff\x00"
    server.handlers[f"GET /runs/{RUN_ID}/diff"] = lambda _: Answer(200, diff)
    async with serving(server) as env:
        ended = await command(*ORDER, "--output", "change.diff", home=tmp_path, env=env)
    assert (tmp_path / "change.diff").read_bytes() == diff
    assert "The diff is in change.diff." in ended.out


async def test_without_a_change_no_output_is_written(tmp_path: Path) -> None:
    server = RunServer([started(), finished("no_changes")])
    server.handlers[f"GET /runs/{RUN_ID}/diff"] = lambda _: Answer(204)
    async with serving(server) as env:
        ended = await command(*ORDER, "-q", "--output", "change.diff", home=tmp_path, env=env)
    assert not (tmp_path / "change.diff").exists()
    assert (ended.code, ended.out) == (3, "no_changes\n")
    assert "no change" in ended.err


async def test_without_a_terminal_it_says_how_to_answer_and_waits(tmp_path: Path) -> None:
    server = RunServer(WAITING)
    async with serving(server) as env:
        running = asyncio.create_task(command(*ORDER, "--approve-plan", home=tmp_path, env=env))
        await server.watched.wait()
        await asyncio.sleep(0.6)
        assert not running.done()
        await server.append(finished("rejected"))
        ended = await running
    assert ended.code == 3
    assert f"coding-agent approve {RUN_ID} --server {server.address}" in ended.out
    assert ended.out.count("coding-agent approve") == 1


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [(422, "limit_raised", 2), (401, "unauthorized", 1), (429, "too_many_runs", 1)],
)
async def test_a_refusal_is_told_in_words(
    status: int, code: str, exit_code: int, tmp_path: Path
) -> None:
    server = RunServer([])
    refusal = problem(status, code, "Not \x1b[31mtoday.", {"Retry-After": "0"}, hint="Tomorrow.")
    server.handlers["POST /code"] = lambda _: refusal
    async with serving(server) as env:
        ended = await command(*ORDER, home=tmp_path, env=env)
    assert ended.code == exit_code
    assert ended.err == "Error: Not today.\n  Tomorrow.\n"


async def test_a_refusal_names_options_and_no_fields(tmp_path: Path) -> None:
    server = RunServer([])
    errors = [{"pointer": "/labels/0", "message": "String should have a character"}]
    server.handlers["POST /code"] = lambda _: problem(
        422, "limit_raised", "maxCostUsd 9 is above the operator's 5.", errors=errors
    )
    async with serving(server) as env:
        ended = await command(*ORDER, home=tmp_path, env=env)
    assert ended.code == 2
    assert ended.err == (
        "Error: --max-cost 9 is above the operator's 5.\n"
        "  --label: String should have a character\n"
    )


async def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    ended = await command(*ORDER, home=tmp_path, env=_NOBODY)
    assert ended.code == 1
    assert "http://127.0.0.1:9 cannot be reached." in ended.err.replace("/ cannot", " cannot")


async def test_watch_reads_from_the_start_to_the_end(tmp_path: Path) -> None:
    server = RunServer([])
    server.ended("blocked", error={"code": "x", "message": "A secret.", "hint": "Remove it."})
    async with serving(server) as env:
        ended = await command("watch", RUN_ID, home=tmp_path, env=env)
    assert ended.code == 1
    assert "Remove it." in ended.out
    assert "coding-agent resume" not in ended.out


async def test_a_request_that_is_wrong_is_not_carried_on(tmp_path: Path) -> None:
    server = RunServer([])
    error = {"code": "invalid_request", "message": "'-x' is not a name of a branch.", "hint": ""}
    server.ended("failed", reason="invalid_request", error=error)
    async with serving(server) as env:
        ended = await command("watch", RUN_ID, home=tmp_path, env=env)
    assert ended.code == 1
    assert "coding-agent resume" not in ended.out


@pytest.mark.parametrize(
    ("status", "reason", "code"),
    [
        ("incomplete", "not_done", 1),
        ("incomplete", "not_validated", 1),
        ("incomplete", "base_conflict", 1),
        ("budget_exhausted", "tokens_spent", 4),
    ],
)
async def test_what_carrying_on_cannot_complete_does_not_offer_it(
    status: str, reason: str, code: int, tmp_path: Path
) -> None:
    server = RunServer([])
    server.ended(status, reason=reason)
    async with serving(server) as env:
        ended = await command("watch", RUN_ID, home=tmp_path, env=env)
    assert ended.code == code
    assert "coding-agent resume" not in ended.out


@pytest.mark.parametrize(
    ("status", "change"),
    [
        ("failed", ""),
        ("budget_exhausted", " --max-cost USD"),
        ("timed_out", " --timeout SECONDS"),
        ("incomplete fix_rounds_exhausted", " --max-fix-rounds N"),
    ],
)
async def test_how_to_carry_on_names_what_to_change(
    status: str, change: str, tmp_path: Path
) -> None:
    server = RunServer([])
    status, _, reason = status.partition(" ")
    server.ended(status, reason=reason or None)
    async with serving(server) as env:
        ended = await command("watch", RUN_ID, home=tmp_path, env=env)
    carry_on = next(line for line in ended.out.splitlines() if "Carry it on" in line)
    assert carry_on.endswith(change)
    assert f"coding-agent resume {RUN_ID}" in carry_on


@pytest.mark.parametrize("option", [(), ("--json",)])
async def test_watch_leaves_without_a_word_when_nobody_reads_on(
    option: tuple[str, ...], tmp_path: Path
) -> None:
    """As behind `head -1`; the run has not ended, and its stream is open."""
    server = RunServer([])
    await server.append(*bare(whole_run())[:5])
    async with serving(server) as env:
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *("watch", RUN_ID, *option),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(tmp_path, env),
        )
        assert process.stdout
        assert process.stderr
        await process.stdout.readline()
        process.stdout._transport.close()  # type: ignore[attr-defined]
        for event in bare(whole_run())[5:]:
            await server.append(event)
        async with asyncio.timeout(60):
            told = await process.stderr.read()
            code = await process.wait()
    assert (code, told) == (1, b"")


async def test_watch_does_not_ask_about_an_old_plan(tmp_path: Path) -> None:
    server = RunServer([])
    await server.append(*WAITING, finished("succeeded"))
    async with serving(server) as env:
        ended = await command("watch", RUN_ID, home=tmp_path, env=env)
    assert "coding-agent approve" not in ended.out


async def test_resume_raises_limits_and_stays_to_the_new_end(tmp_path: Path) -> None:
    server = RunServer([])
    server.ended("budget_exhausted")
    async with serving(server) as env:
        ended = await command("resume", RUN_ID, "--max-cost", "9", "-q", home=tmp_path, env=env)
    assert (ended.code, ended.out) == (0, "succeeded\n")
    assert server.requests[0].body == {"maxCostUsd": 9.0}
