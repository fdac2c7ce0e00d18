"""The commands that ask once: `runs`, `show`, `diff`, `approve`, `cancel`, `message`, `rm`."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from api.terminal.report.run_report import report_lines
from tests.standins.servers.one_run_server import (
    Answer,
    Request,
    RunsHttp,
    problem,
)
from tests.standins.servers.run_events import (
    PR_URL,
    PROMPT,
    RUN_ID,
    usage,
)
from tests.standins.servers.scripted_run_server import PLAN
from tests.support.command.command_process import Ended, command, terminal

RUN = f"/runs/{RUN_ID}"
VIEW: dict[str, Any] = {
    "runId": RUN_ID,
    "status": "incomplete",
    "reason": "fix_rounds_exhausted",
    "node": "publish",
    "repoUrl": "https://github.com/octocat/todo",
    "prompt": PROMPT,
    "planId": "plan-2",
    "plan": PLAN,
    "validations": [
        {
            "status": "failed",
            "commands": [
                {"command": "make test", "exitCode": 2, "status": "failed", "durationMs": 1800}
            ],
            "newFailures": ["test_json"],
            "knownFailures": [],
        }
    ],
    "reviews": [{"verdict": "approve", "summary": "As asked.", "findings": []}],
    "gate": {"passed": True, "findings": []},
    "usage": usage("planner", 0.1, 0.1),
    "costUsd": 0.41,
    "roles": {
        "planner": {"usage": usage("planner", 0.1, 0.1), "costUsd": 0.05, "turns": 4},
        "coder": {"usage": {}, "costUsd": None},
    },
    "pr": {"url": PR_URL, "number": 7, "branch": "agent/x", "draft": True},
    "error": {"code": "github_forbidden", "message": "No right.", "hint": "Give it one."},
    "createdAt": "2026-01-31T12:00:00.000Z",
    "updatedAt": "2026-01-31T12:03:20.000Z",
}


@asynccontextmanager
async def asked(server: RunsHttp) -> AsyncIterator[dict[str, str]]:
    async with server.serving():
        yield {"CODING_AGENT_SERVER": server.address}


async def answered(*words: str, home: Path, **handlers: Any) -> tuple[Ended, RunsHttp]:
    server = RunsHttp(RUN_ID, [])
    server.handlers |= {name.replace("_", " ", 1): handler for name, handler in handlers.items()}
    async with asked(server) as env:
        return await command(*words, home=home, env=env), server


async def test_show_prints_the_whole_record(tmp_path: Path) -> None:
    ended, _ = await answered(
        "show", RUN_ID, home=tmp_path, **{f"GET_{RUN}": lambda _: Answer(200, VIEW)}
    )
    assert ended.code == 0
    for text in (
        PROMPT,
        "Incomplete: published as a draft that says what is left (the fix rounds are used up)",
        "worked on for 3m 20s",
        "12.0k tokens (81 % from cache) · $0.41",
        "1. Parse the flag",
        "$ make test",
        "exit 2 · 1.8 s",
        "new failure test_json",
        "As asked.",
        "gate passed",
        "pull request #7 (draft)",
        PR_URL,
        "planner 4 turns · 12.0k tokens (81 % from cache) · $0.05",
        "coder 0 tokens · cost unknown",
        "No right. [github_forbidden]",
        "Give it one.",
    ):
        assert text in " ".join(ended.out.split()), ended.out
    assert "\x1b" not in ended.out


async def test_show_of_a_young_run_leaves_out_what_is_not_there(tmp_path: Path) -> None:
    young: dict[str, Any] = {
        "runId": RUN_ID,
        "status": "running",
        "node": "plan",
        "repoUrl": "https://github.com/o/r",
        "prompt": "p",
        "plan": None,
        "validations": [],
        "reviews": [],
        "gate": None,
        "pr": None,
        "error": None,
    }
    ended, _ = await answered(
        "show", RUN_ID, home=tmp_path, **{f"GET_{RUN}": lambda _: Answer(200, young)}
    )
    assert "Running (in plan)" in ended.out
    assert "review" not in ended.out


def test_show_of_a_local_run_speaks_of_no_pull_request() -> None:
    pr = {"url": None, "number": None, "branch": "agent/x", "draft": False}
    lines = [line.text for line in report_lines({**VIEW, "pr": pr, "error": None})]
    assert lines[lines.index("branch") + 1] == "branch   agent/x"
    assert not [line for line in lines if "pull request" in line or "draft" in line]


async def test_show_as_json_is_the_servers_answer(tmp_path: Path) -> None:
    ended, _ = await answered(
        "show", RUN_ID, "--json", home=tmp_path, **{f"GET_{RUN}": lambda _: Answer(200, VIEW)}
    )
    assert json.loads(ended.out) == VIEW


async def test_runs_reads_pages_up_to_the_limit(tmp_path: Path) -> None:
    def page(request: Request) -> Answer:
        first = "cursor" not in request.path
        rows = [{**VIEW, "runId": f"{'a' if first else 'b'}{number}"} for number in range(2)]
        return Answer(200, {"runs": rows, "nextCursor": "c" if first else None})

    words = ("runs", "--limit", "3", "--status", "incomplete")
    ended, server = await answered(*words, home=tmp_path, **{"GET_/runs": page})
    rows = ended.out.splitlines()
    assert rows[0].split() == ["RUN", "STATUS", "AGE", "COST", "REPOSITORY", "REQUEST"]
    assert [row.split()[0] for row in rows[1:]] == ["a0", "a1", "b0"]
    assert rows[1].endswith(PROMPT)
    assert server.calls() == [
        "GET /runs?status=incomplete&limit=3",
        "GET /runs?status=incomplete&limit=1&cursor=c",
    ]


async def test_a_status_that_is_none_is_refused(tmp_path: Path) -> None:
    ended = await command("runs", "--status", "nope", home=tmp_path)
    assert ended.code == 2
    assert "'nope' is none of queued, running, waiting, succeeded" in " ".join(ended.err.split())


async def test_several_runs_are_removed_by_how_their_ids_begin(tmp_path: Path) -> None:
    rows = [{**VIEW, "runId": f"{letter}{'0' * 25}"} for letter in "ab"]
    handlers = {"GET_/runs": lambda _: Answer(200, {"runs": rows, "nextCursor": None})}
    handlers |= {f"DELETE_/runs/{row['runId']}": lambda _: Answer(204) for row in rows}
    ended, server = await answered("rm", "a", "b0", home=tmp_path, **handlers)
    assert (ended.code, len(ended.out.splitlines())) == (0, 2)
    assert [call for call in server.calls() if call.startswith("DELETE")] == [
        f"DELETE /runs/{row['runId']}" for row in rows
    ]


async def test_no_runs_is_said(tmp_path: Path) -> None:
    none = {"GET_/runs": lambda _: Answer(200, {"runs": [], "nextCursor": None})}
    ended, _ = await answered("runs", home=tmp_path, **none)
    assert (ended.code, ended.out) == (0, "No runs.\n")
    ended, _ = await answered("runs", "--json", home=tmp_path, **none)
    assert json.loads(ended.out) == {"runs": []}


async def test_runs_fit_a_terminal(tmp_path: Path) -> None:
    server = RunsHttp(RUN_ID, [])
    row = {**VIEW, "prompt": "long \x1b[2J" * 40}
    server.handlers["GET /runs"] = lambda _: Answer(200, {"runs": [row], "nextCursor": None})
    async with asked(server) as env, terminal("runs", home=tmp_path, env=env) as shown:
        assert await shown.ended() == 0
    assert all(len(line) <= 80 for line in shown.text.splitlines())
    assert "REPOSITORY" not in shown.text
    assert "\x1b[2J" not in shown.raw


async def test_diff_is_bytes_on_a_pipe_and_text_on_a_terminal(tmp_path: Path) -> None:
    diff = b"diff --git a/x b/x\n-old\x1b[2J\n+new\n"
    server = RunsHttp(RUN_ID, [])
    server.handlers[f"GET {RUN}/diff"] = lambda _: Answer(200, diff)
    async with asked(server) as env:
        assert (await command("diff", RUN_ID, home=tmp_path, env=env)).out.encode() == diff
        async with terminal("diff", RUN_ID, home=tmp_path, env=env) as shown:
            assert await shown.ended() == 0
    assert "-old\n" in shown.text.replace("\r", "")
    assert "\x1b[2J" not in shown.raw
    assert "\x1b[32m+new" in shown.raw


async def test_a_long_diff_goes_to_the_pager(tmp_path: Path) -> None:
    diff = b"".join(b"+line %d\n" % number for number in range(100))
    server = RunsHttp(RUN_ID, [])
    server.handlers[f"GET {RUN}/diff"] = lambda _: Answer(200, diff)
    env = {"PAGER": "wc -l"}
    async with asked(server) as where:
        async with terminal("diff", RUN_ID, home=tmp_path, env={**env, **where}) as shown:
            assert await shown.ended() == 0
        assert shown.text.strip() == "100"
        async with terminal(
            "diff", RUN_ID, home=tmp_path, env={"PAGER": "no-such", **where}
        ) as shown:
            assert await shown.ended() == 0
    assert "+line 99" in shown.text


async def test_no_diff_is_said_aside(tmp_path: Path) -> None:
    ended, _ = await answered(
        "diff", RUN_ID, home=tmp_path, **{f"GET_{RUN}/diff": lambda _: Answer(204)}
    )
    assert (ended.code, ended.out) == (0, "")
    assert "no change" in ended.err


@pytest.mark.parametrize(
    ("words", "sent"),
    [
        ([], {"planId": "plan-2", "decision": "approve"}),
        (["--reject"], {"planId": "plan-2", "decision": "reject"}),
        (["--revise", "less"], {"planId": "plan-2", "decision": "revise", "feedback": "less"}),
    ],
)
async def test_approve_answers_the_newest_plan(
    words: list[str], sent: dict[str, str], tmp_path: Path
) -> None:
    ended, server = await answered(
        "approve",
        RUN_ID,
        *words,
        home=tmp_path,
        **{
            f"GET_{RUN}": lambda _: Answer(200, VIEW),
            f"POST_{RUN}/plan": lambda _: Answer(202, {"runId": RUN_ID}),
        },
    )
    assert ended.code == 0
    assert server.requests[-1].body == sent
    assert f"coding-agent watch {RUN_ID}" in ended.out


async def test_approve_of_a_run_that_does_not_wait_is_refused(tmp_path: Path) -> None:
    view = {**VIEW, "planId": None, "status": "running"}
    ended, _ = await answered(
        "approve", RUN_ID, home=tmp_path, **{f"GET_{RUN}": lambda _: Answer(200, view)}
    )
    assert ended.code == 1
    assert "does not wait for an answer: running" in ended.err


async def test_cancel_message_and_rm(tmp_path: Path) -> None:
    handlers = {
        f"POST_{RUN}/cancel": lambda _: Answer(202, {"runId": RUN_ID}),
        f"POST_{RUN}/messages": lambda _: Answer(202, {"runId": RUN_ID}),
        f"DELETE_{RUN}": lambda _: Answer(204),
    }
    ended, server = await answered("cancel", RUN_ID, home=tmp_path, **handlers)
    assert (ended.code, server.calls()) == (0, [f"POST {RUN}/cancel"])
    ended, server = await answered("message", RUN_ID, "Mind the gap", home=tmp_path, **handlers)
    assert (ended.code, server.requests[0].body) == (0, {"text": "Mind the gap"})
    ended, server = await answered("rm", RUN_ID, home=tmp_path, **handlers)
    assert (ended.code, server.calls()) == (0, [f"DELETE {RUN}"])


@pytest.mark.parametrize("words", [["show"], ["watch"], ["resume"]])
async def test_a_run_that_is_not_there_is_told(words: list[str], tmp_path: Path) -> None:
    ended, _ = await answered(*words, "nope", home=tmp_path)
    assert ended.code == 1
    assert "No such run." in ended.err


async def test_a_run_in_the_way_is_told(tmp_path: Path) -> None:
    refusal = problem(409, "run_active", "Run x has not ended.", hint="Cancel the run.")
    ended, _ = await answered("rm", RUN_ID, home=tmp_path, **{f"DELETE_{RUN}": lambda _: refusal})
    assert (ended.code, ended.err) == (1, "Error: Run x has not ended.\n  Cancel the run.\n")


async def test_an_empty_message_is_wrong_usage_and_sent_nowhere(tmp_path: Path) -> None:
    for text in ("", " "):
        ended = await command("message", RUN_ID, text, home=tmp_path)
        assert ended.code == 2, ended
        assert "is empty; say what the roles should know" in ended.err
