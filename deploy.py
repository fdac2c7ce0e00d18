"""The wiring for Modal: `modal deploy deploy.py` makes a service, `modal serve deploy.py` a trial.

A function for each role (Claude's key alone), one for a run (GitHub's token alone), one for the web
(API keys alone), two that try a credential each, and one that tidies up. They share a Volume, Dicts
and a Queue; untrusted code runs in Sandboxes, which get none of it.
"""

import os
import secrets
import tempfile
import tomllib
from collections.abc import AsyncGenerator, Collection
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import modal

from graph.errors import StoreError
from runs.shared import VOLUME, VolumeMount, map_modal_errors, open_modal_backend, read_note
from wiring import Settings, load_settings, read_settings

if TYPE_CHECKING:
    from fastapi import FastAPI

    from runs.remote_roles import Play
    from sandbox.backends.modal import ModalSandboxes
    from wiring import Configuration, Deployment
    from wiring.doctor import Finding

APP: Final = "coding-agent"
MOUNT: Final = Path("/mnt/workspaces")
ROOT: Final = Path(__file__).parent
OURS: Final = ("graph", "sandbox", "forge", "roles", "runs", "api", "wiring")

_ALL: Final = ("LOG_FORMAT", "LOG_LEVEL", "MAX_CONCURRENT_RUNS")
_MODELS: Final = ("MODEL", "MODEL_PLANNER", "MODEL_CODER", "MODEL_REVIEWER", "MODEL_FIXER")
_SANDBOX: Final = (
    *("SANDBOX_IMAGE", "NETWORK", "SETUP_HOSTS", "COMMAND_TIMEOUT_S", "COMMAND_MEMORY_MB"),
    *("COMMAND_CPUS", "COMMAND_PIDS", "COMMAND_DISK_MB"),
)
_LIMITS: Final = (
    *("MAX_COST_USD", "MAX_TOKENS", "MAX_FIX_ROUNDS", "RUN_TIMEOUT_S", "KEEP_DAYS", "REPOS"),
)
_TELEMETRY: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS")
SETTINGS: Final[dict[str, tuple[str, ...]]] = {
    "role": (*_ALL, *_SANDBOX, *_MODELS, "RUN_TIMEOUT_S", "ANTHROPIC_BASE_URL"),
    "run": (
        *(*_ALL, *_SANDBOX, *_MODELS, *_LIMITS, *_TELEMETRY),
        *("FORK", "GIT_AUTHOR", "GITHUB_API_URL"),
    ),
    "api": (
        *(*_ALL, *_SANDBOX, *_MODELS, *_LIMITS, "API_KEYS", "OPERATORS", "HOSTS", "KEY_RATE"),
        *("KEY_MAX_COST_USD_PER_DAY", "MODELS", "ALLOW", "MAX_QUEUED_RUNS", "MAX_READERS"),
        "GITHUB_API_URL",
    ),
    "janitor": (*_ALL, *_SANDBOX, *_LIMITS),
    "try_claude": (*_ALL, "ANTHROPIC_BASE_URL"),
    "try_github": (*_ALL, "GITHUB_API_URL"),
}
"""Which of the deployer's settings each function is told; the two credentials are apart."""


def _told(function: str) -> modal.Secret:
    foreign = ("ANTHROPIC_", "GITHUB_", "OTEL_")
    names = [
        name if name.startswith(foreign) else f"CODING_AGENT_{name}" for name in SETTINGS[function]
    ]
    return modal.Secret.from_dict({name: os.environ.get(name, "") for name in names})


def _project() -> dict[str, Any]:
    """What the project says of itself; a container has only what was told it of this."""
    path = ROOT / "pyproject.toml"
    if not modal.is_local() or not path.exists():
        return {"version": os.environ.get("CODING_AGENT_RELEASE", "0"), "dependencies": []}
    return dict(tomllib.loads(path.read_text(encoding="utf-8"))["project"])


project = _project()
settings: Settings = read_settings(None) if modal.is_local() else load_settings()
slots: Final = settings.max_concurrent_runs
app = modal.App(APP)
volume = modal.Volume.from_name(VOLUME, create_if_missing=True, version=2)
claude_key = modal.Secret.from_name("anthropic-api-key", required_keys=["ANTHROPIC_API_KEY"])
github_token = modal.Secret.from_name("github-token", required_keys=["GITHUB_TOKEN"])
image = (
    modal.Image.debian_slim(python_version="3.12")
    .apt_install("git", "ripgrep")
    .add_local_file(ROOT / "constraints.txt", "/opt/constraints.txt", copy=True)
    .uv_pip_install(*project["dependencies"], extra_options="--constraint /opt/constraints.txt")
    .env({"CODING_AGENT_RELEASE": project["version"]})
    .add_local_python_source(*OURS, ignore=["**/__pycache__/**"])
)


def _role(*, cpu: float, memory: int) -> dict[str, Any]:
    """Options of a role's function: one call at a time, and no retries, which generators refuse.

    Two containers more than runs, for calls that have yet to notice that they are superseded.
    """
    return {
        "image": image,
        "secrets": [claude_key, _told("role")],
        "volumes": {str(MOUNT): volume},
        "timeout": settings.run_timeout_s + 900,
        "cpu": cpu,
        "memory": memory,
        "max_containers": slots + 2,
    }


@app.function(**_role(cpu=0.5, memory=1024))
async def planner(task: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
    async for item in _play(task):
        yield item


@app.function(**_role(cpu=0.5, memory=1536))
async def coder(task: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
    async for item in _play(task):
        yield item


@app.function(**_role(cpu=0.5, memory=1024))
async def reviewer(task: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
    async for item in _play(task):
        yield item


@app.function(**_role(cpu=0.5, memory=1536))
async def fixer(task: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
    async for item in _play(task):
        yield item


@app.function(
    image=image,
    secrets=[github_token, _told("run")],
    volumes={str(MOUNT): volume},
    timeout=24 * 3600,
    cpu=1.0,
    memory=2048,
    max_containers=slots,
)
async def run(run_id: str) -> None:
    """Drive one run until it ends or waits."""
    from wiring import drive_run

    _configuration().start_log()
    call = modal.current_function_call_id() or "none"
    own = Path(tempfile.gettempdir()) / "checkpoints"
    mount = VolumeMount(volume, MOUNT)
    await drive_run(_deployment(), mount, run_id, call=call, own=own)


@app.function(image=image, secrets=[claude_key, _told("try_claude")], timeout=60, cpu=0.25)
async def try_claude() -> str:
    """`ok` or an error's code."""
    claude = _configuration().claude()
    try:
        return await claude.probe()
    finally:
        await claude.close()


@app.function(image=image, secrets=[github_token, _told("try_github")], timeout=60, cpu=0.25)
async def try_github(full_name: str = "") -> str:
    """`ok` or an error's code; of a repository `push` or `read` where it can be read at all."""
    from forge.github import ONCE
    from graph.errors import CodingAgentError

    github = _configuration().github()
    try:
        if not full_name:
            return await github.probe()
        facts = await github.repository(full_name, retry_policy=ONCE)
    except CodingAgentError as error:
        return error.code
    finally:
        await github.close()
    return "push" if facts.push else "read"


@app.function(image=image, secrets=[_told("api")], timeout=900, cpu=0.5, memory=1024)
@modal.concurrent(max_inputs=100)
@modal.asgi_app()
def api() -> "FastAPI":
    """The HTTP service. It holds API keys, mounts nothing, and asks the other functions."""
    from wiring import web_app

    _configuration().start_log()
    host = urlsplit(api.get_web_url() or "").hostname or ""
    return web_app(_deployment(), service=_service(), host=host, probes=FunctionProbes())


@app.function(
    image=image,
    secrets=[_told("janitor")],
    schedule=modal.Period(minutes=10),
    timeout=1800,
    cpu=0.25,
    max_containers=1,
)
async def janitor() -> None:
    """Start what nobody drives, and remove what has lain for too long."""
    from wiring import tidy_up

    _configuration().start_log()
    await tidy_up(_deployment(), _service())


class FunctionProbes:
    """Has credentials tried by the functions that hold them, for `/auth-test`."""

    async def claude(self) -> str:
        with map_modal_errors():
            return str(await try_claude.remote.aio())

    async def github(self) -> str:
        with map_modal_errors():
            return str(await try_github.remote.aio())

    async def repository(self, repo_url: str) -> tuple[bool, bool]:
        with map_modal_errors():
            found = await try_github.remote.aio(_configuration().full_name(repo_url))
        return found in ("read", "push"), found == "push"


async def _play(task: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
    from graph import RoleTask
    from runs.remote_roles import RoleWorkerFence
    from wiring import play_role

    _configuration().start_log()
    mount = VolumeMount(volume, MOUNT)
    played = play_role(
        _deployment(),
        mount,
        RoleTask.model_validate(task),
        call=modal.current_input_id() or "none",
        fence=lambda desk: RoleWorkerFence(
            desk, lambda: read_note(_deployment().backend, desk.key), mount.commit_now
        ),
    )
    async for item in played:
        yield item


def _service() -> str:
    return f"api.{secrets.token_hex(8)}"


@cache
def _configuration() -> "Configuration":
    from wiring import Configuration

    return Configuration(settings, project["version"])


@cache
def _deployment() -> "Deployment":
    from wiring import Deployment

    return Deployment(
        configuration=_configuration(),
        backend=open_modal_backend(volume),
        sandboxes=_sandboxes,
        end_orphans=_end_orphans,
        spawn=_spawn,
        play=_player,
    )


async def _spawn(run_id: str) -> None:
    with map_modal_errors():
        await run.spawn.aio(run_id)


def _player(role: str) -> "Play":
    """Streams from a role's function; that it was lost is told as such."""
    from graph.errors import RoleLost

    function = {"planner": planner, "coder": coder, "reviewer": reviewer, "fixer": fixer}[role]

    async def play(task: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        try:
            with map_modal_errors():
                async for item in function.remote_gen.aio(task):
                    yield item
        except StoreError as error:
            raise RoleLost(f"The function of the {role} was lost: {error.message}") from error

    return play


def _sandboxes(runs: Path) -> "ModalSandboxes":
    from sandbox.backends.modal import ModalSandboxes

    return ModalSandboxes(
        runs=runs, client=_configuration().modal_client(APP), setup_hosts=settings.setup_hosts
    )


async def _end_orphans(active: Collection[str]) -> None:
    from wiring import LEFT_OVER_S

    await _sandboxes(MOUNT / "runs").end_orphans(active, older_than_s=LEFT_OVER_S)


async def doctor() -> "list[Finding]":
    """Try what is deployed: that it answers, its credentials, and whether its Sandboxes hold."""
    from sandbox.selftest import try_modal
    from wiring.doctor import Finding, check_service, credential, not_deployed

    web, claude, github = (
        modal.Function.from_name(APP, name) for name in ("api", "try_claude", "try_github")
    )
    try:
        with map_modal_errors():
            await web.hydrate.aio()
    except StoreError as error:
        return [not_deployed(error.message)]
    results = await try_modal(_configuration().modal_client(APP), hosts=settings.setup_hosts)
    return [
        *await check_service(await web.get_web_url.aio() or ""),
        await credential("Claude", "ANTHROPIC_API_KEY in anthropic-api-key", claude.remote.aio),
        await credential("GitHub", "GITHUB_TOKEN in github-token", github.remote.aio),
        *(Finding(f"sandbox: {one.name}", one.held, one.detail, one.fix) for one in results),
    ]
