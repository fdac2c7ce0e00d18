"""The wiring for Modal: `modal deploy deploy.py` makes a service, `modal serve deploy.py` a trial.

A function for each role (Claude's key alone), one for a run (GitHub's token alone), one for the web
(API keys and the secrets of deliveries alone), one that works off what GitHub tells (its token),
two that try a credential each, and one that tidies up. They share a Volume, Dicts and a Queue;
untrusted code runs in Sandboxes, which get none of it.
"""

import os
import re
import tomllib
from collections.abc import AsyncGenerator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import modal

from graph import ROLE_NAMES
from runs.shared import VOLUME, VolumeMount, open_modal_backend
from wiring import APP_NAME, deployed_environment, load_settings, read_settings

if TYPE_CHECKING:
    from fastapi import FastAPI

    from wiring import ModalDeployment

MOUNT: Final = Path("/mnt/workspaces")
ROOT: Final = Path(__file__).parent
START_S: Final = 120
"""A container that is not up by then is given up; else it would have its function's time for it."""
THROTTLE_S: Final = "10"
"""Modal's client waits no longer where Modal takes no more calls for now."""
CLAUDE_KEYS: Final = {
    "anthropic": ["ANTHROPIC_API_KEY"],
    "aws": ["ANTHROPIC_AWS_API_KEY"],
    "bedrock": ["AWS_BEARER_TOKEN_BEDROCK"],
}
"""What the secret of the roles must hold, by provider."""
COMPILE: Final = "python -m compileall -q --invalidation-mode unchecked-hash"
OURS: Final = ("graph", "sandbox", "forge", "roles", "runs", "api", "wiring")


def _settings_of(function: str) -> modal.Secret:
    return modal.Secret.from_dict(deployed_environment(function))


def _project() -> dict[str, Any]:
    """What the project says of itself; a container has only what was told it of this."""
    path, pinned = ROOT / "pyproject.toml", ROOT / "constraints.txt"
    if not modal.is_local() or not path.exists():
        release = os.environ.get("CODING_AGENT_RELEASE", "0")
        return {"version": release, "dependencies": [], "optional-dependencies": {}, "uv": None}
    project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    uv = re.search(r"^uv==(\S+)", pinned.read_text(encoding="utf-8"), re.MULTILINE)
    return {**project, "uv": uv and uv[1]}


project = _project()
settings = read_settings(None) if modal.is_local() else load_settings()
slots: Final = settings.max_concurrent_runs
app = modal.App(APP_NAME)
volume = modal.Volume.from_name(VOLUME, create_if_missing=True, version=2)
claude_key = modal.Secret.from_name(
    "anthropic-api-key", required_keys=CLAUDE_KEYS.get(settings.provider, [])
)
github_token = modal.Secret.from_name("github-token")  # GITHUB_TOKEN, or the App's number and key
image = (
    modal.Image.debian_slim(python_version="3.12")
    .apt_install("git", "ripgrep")
    .add_local_file(ROOT / "constraints.txt", "/opt/constraints.txt", copy=True)
    .uv_pip_install(
        *project["dependencies"],
        *project["optional-dependencies"].get(settings.provider, ()),
        *(project["optional-dependencies"].get("postgres", ()) if settings.database_url else ()),
        extra_options="--constraint /opt/constraints.txt",
        uv_version=project["uv"],
    )
    .env({"CODING_AGENT_RELEASE": project["version"], "MODAL_MAX_THROTTLE_WAIT": THROTTLE_S})
    .add_local_python_source(*OURS, copy=True, ignore=["**/__pycache__/**"])
    .run_commands(f"{COMPILE} {' '.join(f'/root/{package}' for package in OURS)}")
)
"""Our sources are built into it, and compiled: else each container compiled them as it starts."""


async def play_role(task: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
    """One call of one role: its events, then its result."""
    call = modal.current_input_id() or "none"
    async for item in _deployment().play_role(task, call=call):
        yield item


role_functions: dict[str, Any] = {
    name: app.function(
        name=name,
        image=image,
        secrets=[claude_key, _settings_of(name)],
        volumes={str(MOUNT): volume},
        timeout=settings.run_timeout_s + 900,
        startup_timeout=START_S,
        cpu=0.5,
        memory=1536,
        max_containers=slots + 2,
    )(play_role)
    for name in ROLE_NAMES
}
"""One call at a time, and no retries, which generators refuse.

Two containers more than runs, for calls that have yet to notice that they are superseded.
"""


@app.function(
    image=image,
    secrets=[github_token, _settings_of("run")],
    volumes={str(MOUNT): volume},
    timeout=24 * 3600,
    startup_timeout=START_S,
    retries=modal.Retries(max_retries=3, initial_delay=5.0),
    cpu=1.0,
    memory=2048,
    max_containers=slots,
)
async def run(run_id: str, begun_at: float = 0) -> None:
    """Drive one run until it ends or waits; may be called again at any time."""
    call = modal.current_function_call_id() or "none"
    await _deployment().drive_run(run_id, call=call, begun_at=begun_at)


@app.function(
    image=image,
    secrets=[claude_key, _settings_of("try_claude")],
    timeout=60,
    startup_timeout=START_S,
    cpu=0.25,
)
async def try_claude() -> str:
    return await _deployment().try_claude()


@app.function(
    image=image,
    secrets=[github_token, _settings_of("try_github")],
    timeout=60,
    startup_timeout=START_S,
    cpu=0.25,
)
async def try_github(full_name: str = "") -> str:
    return await _deployment().try_github(full_name)


@app.function(
    image=image,
    secrets=[github_token, _settings_of("list_repositories")],
    timeout=60,
    startup_timeout=START_S,
    cpu=0.25,
)
async def list_repositories() -> list[str]:
    return await _deployment().list_repositories()


@app.function(
    image=image,
    secrets=[github_token, _settings_of("triggers")],
    timeout=900,
    startup_timeout=START_S,
    retries=modal.Retries(max_retries=3, initial_delay=5.0),
    cpu=0.25,
    max_containers=1,
)
async def triggers() -> None:
    """Work off what GitHub has told of; one at a time."""
    await _deployment().work_off_triggers()


@app.function(
    image=image,
    secrets=[_settings_of("api")],
    timeout=900,
    startup_timeout=START_S,
    cpu=0.5,
    memory=1024,
)
@modal.concurrent(max_inputs=100)
@modal.asgi_app()
def api() -> "FastAPI":
    """The HTTP service. It holds API keys, mounts nothing, and asks the other functions."""
    from wiring import FunctionProbes

    host = urlsplit(api.get_web_url() or "").hostname or ""
    return _deployment().web_app(host, FunctionProbes(_deployment()), modal.current_input_id)


@app.function(
    image=image,
    secrets=[_settings_of("janitor")],
    schedule=modal.Period(minutes=10),
    timeout=1800,
    startup_timeout=START_S,
    cpu=0.25,
    max_containers=1,
)
async def janitor() -> None:
    """Start what nobody drives, and remove what has lain for too long."""
    await _deployment().tidy_up()


@cache
def _deployment() -> "ModalDeployment":
    """What this container works with; its log begins here."""
    from wiring import Configuration, ModalDeployment, start_log

    start_log(settings)
    functions: dict[str, Any] = {
        "run": run,
        "triggers": triggers,
        "try_claude": try_claude,
        "try_github": try_github,
        "list_repositories": list_repositories,
    }
    return ModalDeployment(
        Configuration(settings, project["version"]),
        open_modal_backend(volume),
        VolumeMount(volume, MOUNT),
        functions | role_functions,
    )
