"""`test_endpoint.py` as a user runs it: against a running server, and one that breaks."""

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from api.exit_codes import EXIT_CODES
from api.http.guards.auth import Auth
from tests.standins.servers.http_service import (
    CODE,
    KEYS,
    ScriptedProbes,
    make_app,
    serving,
)
from tests.standins.servers.one_run_server import Answer, Cut, RunsHttp
from tests.standins.servers.run_events import RUN_ID, run, whole_run
from tests.standins.services.in_memory_run_service import MemoryService
from tests.standins.services.run_service import House
from tests.support.polling import until

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parents[3] / "test_endpoint.py"
REPO = str(CODE["repoUrl"])


@dataclass
class Ran:
    code: int
    out: str
    err: str


async def script(folder: Path, *arguments: str, **environment: str) -> Ran:
    """Run the script as a process of its own, with nothing but the standard library."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        str(SCRIPT),
        *arguments,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode is not None
    assert "Traceback" not in err.decode()
    return Ran(process.returncode, out.decode(), err.decode())


async def test_a_run_is_shown_to_its_end(tmp_path: Path) -> None:
    house = House(tmp_path / "data")
    async with serving(make_app(house.open)) as address:
        ran = await script(tmp_path, address, "--repo", REPO, "--prompt", "Say hello.")
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert any("▶ prepare" in line for line in lines)
    assert any("validation: passed" in line for line in lines)
    assert lines[-1].startswith("succeeded · ")
    assert "$0.03" in lines[-1]


async def test_quiet_is_the_result_alone(tmp_path: Path) -> None:
    async with serving(make_app(MemoryService(instant=True).open)) as address:
        ran = await script(tmp_path, f"{address}/", "--repo", REPO, "--quiet")
    assert ran.out == "succeeded · $0.00\n"


async def test_results_are_saved(tmp_path: Path) -> None:
    key = KEYS[0][1]
    service = MemoryService(instant=True)
    async with serving(make_app(service.open, auth=Auth(KEYS))) as address:
        options = (address, "--repo", REPO, "--api-key", key, "--quiet", "--save-results")
        ran = await script(tmp_path, *options)
        named = await script(tmp_path, *options, "named.json")
    assert (ran.code, named.code) == (0, 0)
    first, second = sorted(service.runs)
    saved = json.loads((tmp_path / f"test_results_{first}.json").read_text())
    assert saved["runId"] == first
    assert (saved["status"], saved["exitCode"], saved["url"]) == ("succeeded", 0, address)
    assert [event["seq"] for event in saved["events"]] == [1, 2]
    assert json.loads((tmp_path / "named.json").read_text())["runId"] == second
    assert key not in (tmp_path / "named.json").read_text()


@pytest.mark.parametrize("status", [*EXIT_CODES, "unheard_of"])
async def test_the_exit_code_is_the_runs(status: str, tmp_path: Path) -> None:
    server = RunsHttp(RUN_ID, run(status))
    async with server.serving():
        ran = await script(tmp_path, server.address, "--repo", REPO, "--quiet")
    assert ran.code == EXIT_CODES.get(status, 1)


async def test_broken_streams_are_taken_up(tmp_path: Path) -> None:
    server = RunsHttp(RUN_ID, whole_run())
    server.cuts = [Cut("reset", 3), Cut("half", 2), Cut("end", 2), Cut("close", 1), Cut("status")]
    options = ("--repo", REPO, "--save-results", "r.json")
    async with server.serving():
        ran = await script(tmp_path, server.address, *options)
    assert ran.code == 0
    events = json.loads((tmp_path / "r.json").read_text())["events"]
    assert events == server.log
    assert server.calls().count("POST /code") == 1
    asked = [int(request.headers["last-event-id"]) for request in server.streams()]
    assert asked[0] == 0
    assert asked[1] <= 3  # what a reset connection has delivered is not certain
    assert asked[2:] == [asked[1] + 2, asked[1] + 4, asked[1] + 5, asked[1] + 5]
    assert "planner: I'll look at how the commands are built before I plan anything.\n" in ran.out


async def test_a_lost_answer_does_not_start_a_second_run(tmp_path: Path) -> None:
    server = RunsHttp(RUN_ID, run())
    answers = [Answer(503, {"code": "store_locked", "detail": "Later."}, {"Retry-After": "0"})]
    keys: list[str] = []
    start = server.handlers["POST /code"]

    def busy_first(request: Any) -> Answer:
        keys.append(request.headers["idempotency-key"])
        return answers.pop() if answers else start(request)

    server.handlers["POST /code"] = busy_first
    async with server.serving():
        ran = await script(tmp_path, server.address, "--repo", REPO, "--quiet")
    assert ran.code == 0
    assert len(keys) == 2
    assert len(set(keys)) == 1


async def test_the_time_is_limited(tmp_path: Path) -> None:
    service = MemoryService()
    async with serving(make_app(service.open)) as address:
        ran = await script(
            tmp_path, address, "--repo", REPO, "--timeout", "1", "--save-results", "r.json"
        )
    (run_id,) = service.runs
    assert ran.code == 4
    assert f"the run goes on: {address}/runs/{run_id}" in ran.err
    assert json.loads((tmp_path / "r.json").read_text())["status"] is None


async def test_credentials_are_tried_and_nothing_is_started(tmp_path: Path) -> None:
    service, probes = MemoryService(), ScriptedProbes(rights={REPO: (True, True)})
    async with serving(make_app(service.open, probes=probes, auth=Auth(KEYS))) as address:
        key = {"CODING_AGENT_API_KEY": KEYS[0][1]}
        good = await script(tmp_path, address, "--auth-test", "--repo", REPO, **key)
        probes.rights[REPO] = (True, False)
        weak = await script(tmp_path, address, "--auth-test", "--repo", REPO, **key)
        probes.github_code = "github_unauthorized"
        bad = await script(tmp_path, address, "--auth-test", **key)
        stranger = await script(tmp_path, address, "--auth-test")
    assert good.code == 0
    assert good.out.splitlines() == [
        "server  1.2.3",
        "claude  ok",
        "github  ok",
        "repo    read True, push True",
    ]
    assert (weak.code, bad.code, stranger.code) == (1, 1, 1)
    assert "github_unauthorized" in bad.out
    assert "401 unauthorized" in stranger.err
    assert not service.runs


async def test_a_refusal_is_told(tmp_path: Path) -> None:
    service = MemoryService()
    async with serving(make_app(service.open)) as address:
        ran = await script(tmp_path, address, "--repo", "https://evil.example/o/r")
    assert ran.code == 1
    assert "422 invalid_repo_url" in ran.err
    assert "/repoUrl: " in ran.err
    assert not service.runs


async def test_nobody_there(tmp_path: Path) -> None:
    ran = await script(tmp_path, "http://127.0.0.1:9", "--auth-test")
    assert ran.code == 1
    assert "refused" in ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("127.0.0.1:8000", "--auth-test"),
        ("file:///etc/passwd", "--auth-test"),
        ("http://127.0.0.1:9",),
        ("http://127.0.0.1:9", "--repo"),
        ("http://127.0.0.1:9", "--repo", REPO, "--timeout", "0"),
        ("http://127.0.0.1:9", "--repo", REPO, "--timeout", "soon"),
        ("http://127.0.0.1:9", "--unknown"),
    ],
)
async def test_wrong_usage_is_2(arguments: tuple[str, ...], tmp_path: Path) -> None:
    ran = await script(tmp_path, *arguments)
    assert ran.code == 2
    assert ran.err.startswith("usage: ")


async def test_text_of_the_server_cannot_drive_the_terminal(tmp_path: Path) -> None:
    service = MemoryService()
    async with serving(make_app(service.open)) as address:
        running = asyncio.create_task(script(tmp_path, address, "--repo", REPO))
        await until(lambda: bool(service.runs))
        (run_id,) = service.runs
        service.emit(run_id, "role.text", role="coder", text="a\x1b[2Jb\nforged\u202e {text}")
        service.finish(run_id)
        ran = await running
    assert "a [2Jb forged" in ran.out
    assert "\x1b" not in ran.out
    assert "\u202e" not in ran.out


async def test_a_redirect_elsewhere_is_not_followed(tmp_path: Path) -> None:
    server = RunsHttp(RUN_ID, run())
    server.handlers["GET /health"] = lambda _: Answer(
        302, {}, {"Location": "http://127.0.0.1:9/health"}
    )
    async with server.serving():
        ran = await script(tmp_path, server.address, "--auth-test", "--api-key", KEYS[0][1])
    assert ran.code == 1
    assert "elsewhere" in ran.err
