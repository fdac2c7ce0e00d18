"""The command as a client on macOS and Windows: what it imports there, and what it can install."""

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.standins.servers.one_run_server import Answer
from tests.standins.servers.run_events import PR_URL, RUN_ID, whole_run
from tests.standins.servers.scripted_run_server import RunServer
from tests.support.command import other_platform
from tests.support.command.command_process import environment
from tests.support.command.warm_command import ROOT

RUN = f"/runs/{RUN_ID}"
URL = "https://github.com/octocat/todo"
COMMANDS = {
    ("run", "Add a flag", "--repo", URL, "--output", "change.diff"): 0,
    ("watch", RUN_ID): 0,
    ("watch", RUN_ID, "--json"): 0,
    ("resume", RUN_ID, "--quiet"): 0,
    ("runs",): 0,
    ("show", RUN_ID): 0,
    ("diff", RUN_ID): 0,
    ("approve", RUN_ID): 0,
    ("cancel", RUN_ID): 0,
    ("message", RUN_ID, "Hello"): 0,
    ("rm", RUN_ID): 0,
    ("run", "x", "--repo", URL, "--max-cost", "nan"): 2,
    ("show", "no-such-run"): 1,
    ("--help",): 0,
}


def make_server() -> RunServer:
    server = RunServer(whole_run())
    server.log[:] = whole_run()
    row = {"runId": RUN_ID, "status": "waiting", "planId": "plan-1", "prompt": "x", "repoUrl": URL}
    server.handlers |= {
        "POST /code": lambda _: Answer(202, {"runId": RUN_ID}, {"X-Run-Id": RUN_ID}),
        "GET /runs": lambda _: Answer(200, {"runs": [row], "nextCursor": None}),
        f"GET {RUN}": lambda _: Answer(200, row),
        f"GET {RUN}/diff": lambda _: Answer(200, b"+x\n"),
        f"POST {RUN}/plan": lambda _: Answer(202, {}),
        f"POST {RUN}/cancel": lambda _: Answer(202, {}),
        f"POST {RUN}/messages": lambda _: Answer(202, {}),
        f"POST {RUN}/resume": lambda _: Answer(202, {}),
        f"DELETE {RUN}": lambda _: Answer(204),
    }
    return server


@pytest.mark.slow
@pytest.mark.parametrize("platform", ["darwin", "win32"])
async def test_a_client_runs_on(platform: str, tmp_path: Path) -> None:
    server = make_server()
    async with server.serving():
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, other_platform.__file__, platform, json.dumps([*COMMANDS])),
            cwd=tmp_path,
            env=environment(tmp_path, {"CODING_AGENT_SERVER": server.address}),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = (told.decode() for told in await process.communicate())
    assert process.returncode == 0, err
    assert dict(zip(COMMANDS, json.loads(out.splitlines()[-1]), strict=True)) == COMMANDS, err
    assert f"pull request  {PR_URL}" in out
    assert (tmp_path / "change.diff").read_bytes() == b"+x\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    "platform", ["x86_64-pc-windows-msvc", "aarch64-apple-darwin", "x86_64-apple-darwin"]
)
def test_the_pins_are_wheels_for(platform: str) -> None:
    """By the index that this machine uses; skipped where it cannot be asked."""
    asked = subprocess.run(
        [
            *(Path(sys.executable).with_name("uv"), "pip", "compile", "--quiet"),
            *("--no-header", "--no-annotate", "--only-binary", ":all:"),
            *("--python-platform", platform, "--python-version", "3.11"),
            *("--constraints", "constraints.txt", "pyproject.toml"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if re.search("error sending request|Failed to fetch|network|offline", asked.stderr):
        pytest.skip(f"the index cannot be asked: {asked.stderr[-300:]}")
    assert asked.returncode == 0, asked.stderr
    assert _pins(asked.stdout) <= _pins((ROOT / "constraints.txt").read_text())


def _pins(text: str) -> set[tuple[str, str]]:
    """Names as indexes compare them, each with its version."""
    found = re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE)
    return {(re.sub(r"[-_.]+", "-", name).lower(), version) for name, version in found}
