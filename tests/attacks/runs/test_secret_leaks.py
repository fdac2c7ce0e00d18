"""Whole jobs with marked secrets: they are found nowhere but where they must be."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from demo.temporary_folder import temporary_folder
from tests.attacks.runs.secret_search import SecretSearch, searched
from tests.demo.test_traces import Collector, collecting
from tests.standins.claude import HttpError
from tests.standins.github import TOKEN, Fault
from tests.standins.messages_api.server import MessagesServer
from tests.support.signing_keys import MadeKey, make_ssh_key
from tests.support.trusted_side import git
from tests.support.whole_runs.claude_script import (
    MORNING,
    Cast,
    approve,
    done,
    plan,
    shell,
    small_change,
)
from tests.support.whole_runs.server_process import ServerProcess
from tests.support.whole_runs.service_client import Run, Service
from tests.support.whole_runs.world import CLAUDE_KEY, Forge, World

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]
API_KEY: Final = "marked-api-key/0123456789+abcdef"
OTLP_KEY: Final = "marked-otlp-header-0123456789"
SECRETS: Final = {"claude": CLAUDE_KEY, "github": TOKEN, "caller": API_KEY, "otlp": OTLP_KEY}
MUST_BE: Final = {
    *((name, "file settings.env") for name in SECRETS),
    ("claude", "headers to Claude"),
    ("github", "headers to the forge"),
    ("otlp", "headers to the collector"),
    ("signing", "file ssh"),
}
MAY_BE: Final = MUST_BE | {("github", "environment of a git transfer"), ("signing", "file key")}
"""A signed-in git and a signature are short, and may come and go between two looks."""
LOOK_AROUND: Final = (
    "env; cat /proc/*/environ /proc/*/cmdline 2>&1 | tr '\\0' '\\n'; mount; ls -laR /run /root /etc"
    " /home 2>&1 | head -300; git config --list --show-origin; git remote -v; cat .git/config"
)


class RecordingForge(Forge):
    """Keeps the head and body of all that came."""

    def __init__(self) -> None:
        super().__init__()
        self.heads: list[str] = []
        self.bodies: list[bytes] = []

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.heads.append(repr(scope["headers"]))
        self.bodies.append(scope["raw_path"] + b"?" + scope["query_string"])

        async def recorded() -> Message:
            message = await receive()
            self.bodies.append(message.get("body", b""))
            return message

        await super()._serve(scope, recorded, send)


class RecordingClaude(MessagesServer):
    """Keeps the heads of requests beside their bodies."""

    def __init__(self, cast: Cast) -> None:
        super().__init__(cast, key=CLAUDE_KEY)
        self.heads: list[str] = []

    def _check_head(self, call: Any) -> None:
        self.heads.append(f"{call.path} {call.headers}")
        super()._check_head(call)


@asynccontextmanager
async def recorded_world() -> AsyncIterator[tuple[World, RecordingForge, RecordingClaude]]:
    cast, forge = Cast(), RecordingForge()
    with temporary_folder() as folder:
        async with forge, RecordingClaude(cast) as claude:
            yield World(forge, claude, cast, folder), forge, claude


@asynccontextmanager
async def serving(world: World, collector: Collector, log: Path) -> AsyncIterator[ServerProcess]:
    """The installed command, its secrets in an env file, everything it says in `log`."""
    env_file = world.folder / "settings.env"
    lines = {
        "ANTHROPIC_API_KEY": CLAUDE_KEY,
        "ANTHROPIC_BASE_URL": world.claude.base_url,
        "GITHUB_TOKEN": TOKEN,
        "GITHUB_API_URL": world.forge.api_url,
        "CODING_AGENT_API_KEYS": f"ann:{API_KEY}",
        "CODING_AGENT_REPOS": "octo/*",
        "CODING_AGENT_KEY_RATE": "0",
        "CODING_AGENT_LOG_LEVEL": "debug",
        "CODING_AGENT_SIGNING_KEY_FILE": str(world.folder / "keys" / "ssh"),
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address,
        "OTEL_EXPORTER_OTLP_HEADERS": f"Authorization={OTLP_KEY}",
    }
    env_file.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
    temporary = world.folder / "tmp"
    temporary.mkdir(mode=0o711)
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(world.folder),
        "TMPDIR": str(temporary),
        "CODING_AGENT_DATA_DIR": str(world.data),
        "CODING_AGENT_ENV_FILE": str(env_file),
    }
    command = Path(sys.executable).parent / "coding-agent"
    async with ServerProcess.started(command, env=environment, cwd=world.folder, log=log) as server:
        yield server


async def tried_in_vain(http: httpx.AsyncClient) -> list[httpx.Response]:
    """Calls that put the key where it does not belong, and such that fail."""
    return [
        await http.get(f"/nothing/{API_KEY}"),
        await http.get("/runs", params={"repo": API_KEY}),
        await http.get("/runs", headers={"Authorization": f"Basic {API_KEY}"}),
        await http.post("/code", json={"repoUrl": API_KEY, "prompt": API_KEY, API_KEY: 1}),
        await http.post("/code", content=f"{{{API_KEY}"),
        await http.get("/metrics"),
        await http.get("/health"),
        await http.get("/openapi.json"),
        await http.get("/auth-test"),
    ]


async def three_jobs(world: World, service: Service) -> list[Run]:
    """One that succeeds and two that fail with the secret in the other side's own words."""
    repo = await world.host()
    scripts = {
        "Greet and look around.": small_change(
            planner=[shell(LOOK_AROUND), plan()],
            coder=[shell(MORNING, LOOK_AROUND), done()],
            reviewer=[shell(LOOK_AROUND), approve()],
        ),
        "Greet in vain.": {
            "planner": [HttpError(400, "invalid_request_error", f"the key {CLAUDE_KEY} is bad")]
        },
        "Greet and be refused.": small_change(),
    }
    runs = []
    for prompt, script in scripts.items():
        world.cast.learn(prompt, script)
        if prompt.endswith("refused."):
            world.forge.fail("POST", "/pulls", Fault(422, f"Validation failed for {TOKEN}"))
        runs.append(await (await service.start(prompt, repo.url)).ended())
    assert [run.end["status"] for run in runs] == ["succeeded", "failed", "failed"]
    return runs


def signed_by(key: MadeKey, forge: Forge) -> bool:
    """Whether there are commits of runs, all signed."""
    heads = [
        (hosted.git_dir, name)
        for hosted in forge.repositories()
        for name in git(hosted.git_dir, "branch", "--list", "agent/*").decode().split()
    ]
    return bool(heads) and all(key.verify(where, name) for where, name in heads)


async def test_secrets_are_nowhere_but_where_they_must_be() -> None:
    with collecting() as collector:
        async with recorded_world() as (world, forge, claude):
            key = make_ssh_key(world.folder / "keys")
            search = SecretSearch({**SECRETS, "signing": key.file.read_text().split("\n")[4]})
            log = world.folder / "log"
            async with (
                serving(world, collector, log) as server,
                Service.at(server.address) as service,
            ):
                service.http.headers["Authorization"] = f"Bearer {API_KEY}"
                with search.processes(server.process.pid):
                    jobs = asyncio.create_task(three_jobs(world, service))
                    while not jobs.done():
                        await searched(search, world.data, world.folder / "tmp")
                        await asyncio.wait([jobs], timeout=1)
                    answers = await tried_in_vain(service.http)
                runs = jobs.result()
                for run in runs:
                    search.look("events", json.dumps(run.events, ensure_ascii=False))
                    search.look("view", json.dumps(await run.view()))
                    search.look("diff", await run.diff())
            for answer in answers:
                search.look("answer", answer.text + repr(answer.headers))
            await searched(search, world.folder)
            for hosted in forge.repositories():
                search.repository(hosted.git_dir)
                search.look("pull request", repr(hosted.pulls))
            search.look("headers to the forge", "".join(forge.heads))
            search.look("requests to the forge", b"".join(forge.bodies))
            search.look("headers to Claude", "".join(claude.heads))
            search.look("requests to Claude", json.dumps(claude.requests))
            search.look("headers to the collector", repr(collector.signed_in))
            search.look("spans", b"".join(collector.bodies))
            assert log.stat().st_size > 1000
            assert signed_by(key, forge)
    assert search.found >= MUST_BE
    assert search.found <= MAY_BE
    assert {"git", "bwrap"} <= search.seen
    assert collector.spans
    told = json.dumps(runs[0].events)
    assert "HOME=" in told
