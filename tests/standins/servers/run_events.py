"""A whole run's events, as a server sends them: failing tests, a finding, a pull request."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

RUN_ID = "01k9zq4c8e7m2v5x3w1t6b0n9d"
PROMPT = "Add a --json flag to the list command and document it"
PR_URL = "https://github.com/octocat/todo/pull/7"
_START = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)

Event = dict[str, Any]


def numbered(events: list[Event], run_id: str = RUN_ID) -> list[Event]:
    """Events with the common fields: `seq` from 1, and a second between each."""
    return [
        {
            "seq": seq,
            "runId": run_id,
            "time": (_START + timedelta(seconds=seq)).isoformat().replace("+00:00", "Z"),
            **event,
        }
        for seq, event in enumerate(events, 1)
    ]


def finished(status: str, **fields: Any) -> Event:
    usage = {"input_tokens": 900, "output_tokens": 2100, "cache_read_input_tokens": 31000}
    return {
        "type": "run.finished",
        "attempt": 1,
        "status": status,
        "usage": usage,
        "costUsd": 0.41,
        **fields,
    }


def run(status: str = "succeeded", **fields: Any) -> list[Event]:
    """The shortest run that ends with `status`."""
    return numbered([started(), finished(status, **fields)])


def started() -> Event:
    return {
        "type": "run.started",
        "repoUrl": "https://github.com/octocat/todo",
        "prompt": PROMPT,
        "baseBranch": "main",
        "baseSha": "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d",
        "models": {"planner": "claude-opus-4-8", "coder": "claude-opus-4-8"},
        "version": "1.0.0",
        "attempt": 1,
    }


def whole_run() -> list[Event]:
    """Plan, code, a failing test, a fix, a review's finding, a second fix, a pull request."""
    return numbered(
        [
            {"type": "run.queued", "position": 1},
            started(),
            *node("prepare", "ok", 1240, []),
            *node("plan", "ok", 8400, list(_planning())),
            *node("code", "ok", 41_000, list(_coding())),
            *node("validate", "failed", 2400, [_validation("failed")]),
            *node("fix", "ok", 12_000, list(_fixing())),
            *node("validate", "passed", 1900, [_validation("passed")], visit=2),
            *node("review", "request_changes", 9_000, [_review("request_changes")]),
            *node("fix", "ok", 7_000, list(_fixing()), visit=2),
            *node("validate", "passed", 1900, [_validation("passed")], visit=3),
            *node("review", "approved", 5_000, [_review("approve")], visit=2),
            *node("publish", "ok", 3_100, list(_publishing())),
            finished("succeeded", prUrl=PR_URL, branch="agent/add-a-json-flag-6b0n9d"),
        ]
    )


def node(
    name: str, outcome: str, duration_ms: int, inner: list[Event], visit: int = 1
) -> list[Event]:
    base = {"node": name, "visit": visit}
    end = {"type": "node.finished", **base, "outcome": outcome, "durationMs": duration_ms}
    return [{"type": "node.started", **base}, *inner, end]


def tool(role: str, call: str, name: str, given: object, **result: Any) -> list[Event]:
    start = {"type": "tool.started", "role": role, "callId": call, "tool": name, "input": given}
    end = {"ok": True, "output": "", "durationMs": 120, **result}
    return [start, {"type": "tool.finished", "role": role, "callId": call, **end}]


def said(role: str, text: str, size: int = 11) -> Iterator[Event]:
    """Text in small pieces, as it streams."""
    for at in range(0, len(text), size):
        yield {"type": "role.text", "role": role, "text": text[at : at + size]}


def usage(role: str, cost: float, total: float) -> Event:
    return {
        "type": "usage",
        "role": role,
        "model": "claude-opus-4-8",
        "input_tokens": 310,
        "output_tokens": 700,
        "cache_creation_input_tokens": 1200,
        "cache_read_input_tokens": 9800,
        "costUsd": cost,
        "runCostUsd": total,
    }


def _planning() -> Iterator[Event]:
    thought = "The list command prints rows; I should look at how options are parsed first."
    yield {"type": "role.thinking", "role": "planner", "text": thought}
    yield from said("planner", "I'll look at how the commands are built before I plan anything.")
    yield usage("planner", 0.03, 0.03)
    listing = "\n".join(f"-rw-r--r-- 1 agent agent {n} file{n}.py" for n in range(14))
    yield from tool(
        "planner", "c1", "bash", {"command": "ls -la && cat pyproject.toml"}, output=listing
    )
    view = {"command": "view", "path": "/workspace/todo/cli.py"}
    yield from tool("planner", "c2", "str_replace_based_edit_tool", view, output="1 import x")
    yield usage("planner", 0.02, 0.05)
    yield {
        "type": "plan.ready",
        "planId": "plan-1",
        "plan": {
            "summary": "Print the list as one JSON document when --json is given",
            "route": "full",
            "steps": [
                "Parse --json in todo/cli.py and hand it to the list command",
                "Write the items with json.dumps; keep the table as the default: scripts read it",
                "Say so in README.md",
            ],
            "files": ["todo/cli.py", "README.md"],
            "validate": ["python3 -m unittest"],
        },
    }


def _coding() -> Iterator[Event]:
    yield from said(
        "coder",
        "The parser is in `todo/cli.py`. I add the flag there, and a function that turns an item "
        "into a plain dictionary, so that the table and the JSON say the same.\n\nThen the test.",
    )
    yield usage("coder", 0.08, 0.13)
    edit = {"command": "str_replace", "path": "/workspace/todo/cli.py", "old_str": "a"}
    yield from tool("coder", "c3", "str_replace_based_edit_tool", edit)
    output = "..F\n======\nFAIL: test_json (tests.test_cli.ListTest)\nAssertionError: '[]' != ''\n"
    check = {"command": "python3 -m unittest -v"}
    yield from tool("coder", "c4", "bash", check, ok=False, exitCode=1, output=output)
    yield {
        "type": "retry",
        "what": "claude",
        "attempt": 1,
        "waitMs": 4000,
        "reason": "overloaded (529)",
    }
    yield usage("coder", 0.09, 0.22)
    files = [
        {"path": "todo/cli.py", "added": 24, "removed": 3},
        {"path": "tests/test_cli.py", "added": 18, "removed": 0},
        {"path": "README.md", "added": 6, "removed": 1},
    ]
    yield {"type": "change.updated", "digest": "sha256:00", "files": files}


def _fixing() -> Iterator[Event]:
    yield from said("fixer", "An empty list must print `[]`, not nothing.")
    edit = {"command": "str_replace", "path": "/workspace/todo/cli.py"}
    yield from tool("fixer", "c5", "str_replace_based_edit_tool", edit)
    yield usage("fixer", 0.04, 0.26)
    files = [{"path": "todo/cli.py", "added": 26, "removed": 3}]
    yield {"type": "change.updated", "digest": "sha256:01", "files": files}


def _validation(status: str) -> Event:
    failed = status == "failed"
    command = {
        "command": "python3 -m unittest",
        "exitCode": 1 if failed else 0,
        "status": status,
        "durationMs": 1800,
        "output": "FAIL: test_json (tests.test_cli.ListTest)\nRan 9 tests\nFAILED (failures=1)\n",
    }
    return {
        "type": "validation.finished",
        "status": status,
        "commands": [command],
        "newFailures": ["tests.test_cli.ListTest.test_json"] if failed else [],
        "knownFailures": ["tests.test_clock.ClockTest.test_leap_second"],
    }


def _review(verdict: str) -> Event:
    approved = verdict == "approve"
    finding = {
        "severity": "error",
        "path": "README.md",
        "line": 41,
        "message": "The example shows a table; the flag prints JSON. Show what the flag prints.",
    }
    hint = {"severity": "info", "path": "todo/cli.py", "message": "The helper could be private."}
    return {
        "type": "review.finished",
        "verdict": verdict,
        "summary": "The flag does what was asked, and is tested." if approved else "Nearly there.",
        "findings": [] if approved else [finding, hint],
    }


def _publishing() -> Iterator[Event]:
    yield {"type": "gate.finished", "passed": True, "findings": []}
    yield {
        "type": "pr.created",
        "url": PR_URL,
        "number": 7,
        "branch": "agent/add-a-json-flag-6b0n9d",
        "draft": False,
        "headRepo": "my-fork/todo",
    }
