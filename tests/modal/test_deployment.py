"""What `modal deploy deploy.py` asks for, and that the service is closed until it is set up."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from typing import Final

import pytest
import pytest_asyncio
from modal_proto import api_pb2 as pb

from tests.modal.deployment import APP, ROOT, Deployment
from tests.modal_plane.availability import need_containers

pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.slow,
]
ROLES: Final = ("planner", "coder", "reviewer", "fixer", "setup")
SECRETS: Final[dict[str, set[str]]] = {
    **{role: {"anthropic-api-key"} for role in ROLES},
    "run": {"github-token"},
    "triggers": {"github-token"},
    "api": set(),
    "janitor": set(),
    "try_claude": {"anthropic-api-key"},
    "try_github": {"github-token"},
    "list_repositories": {"github-token"},
}
CREDENTIALS: Final = {
    "ANTHROPIC_API_KEY": {*ROLES, "try_claude"},
    "GITHUB_TOKEN": {"run", "triggers", "try_github", "list_repositories"},
    "CODING_AGENT_API_KEYS": {"api"},
    "OTEL_EXPORTER_OTLP_HEADERS": {"run"},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def closed() -> AsyncIterator[Deployment]:
    """Deployed by somebody who set neither keys nor repositories."""
    need_containers()
    nothing = {"CODING_AGENT_API_KEYS": "", "CODING_AGENT_REPOS": ""}
    async with Deployment.open(env=nothing) as deployment:
        yield deployment
        assert not deployment.plane.errors, "\n".join(deployment.plane.errors)


def definition(deployment: Deployment, name: str) -> pb.Function:
    return deployment.plane.function(name, APP).definition


async def test_each_credential_is_where_it_is_needed_alone(closed: Deployment) -> None:
    secrets = closed.plane.secrets
    for name, wanted in SECRETS.items():
        assert secrets.names(definition(closed, name).secret_ids) == wanted, name
    for variable, holders in CREDENTIALS.items():
        found = {
            name
            for name in SECRETS
            if variable in secrets.environment(definition(closed, name).secret_ids)
        }
        assert found == holders, variable


async def test_functions_are_as_their_work_needs_them(closed: Deployment) -> None:
    volume = closed.plane.volumes.named("coding-agent-workspaces")
    assert volume.version == pb.VOLUME_FS_VERSION_V2
    for name in ROLES:
        role = definition(closed, name)
        assert role.function_type == pb.Function.FUNCTION_TYPE_GENERATOR
        assert role.retry_policy.retries == 0
        assert role.max_concurrent_inputs <= 1
        assert role.timeout_secs == 3600 + 900
        assert [mount.volume_id for mount in role.volume_mounts] == [volume.volume_id]
        assert role.resources.memory_mb >= 1024
    run, api = definition(closed, "run"), definition(closed, "api")
    assert run.timeout_secs == 24 * 3600
    assert run.autoscaler_settings.max_containers == 3
    assert run.max_concurrent_inputs <= 1
    assert run.retry_policy.retries == 3
    assert {definition(closed, name).startup_timeout_secs for name in SECRETS} == {120}
    assert (api.max_concurrent_inputs, list(api.volume_mounts)) == (100, [])
    assert api.timeout_secs > 150
    assert definition(closed, "janitor").schedule.period.minutes == 10


async def test_the_image_has_the_pinned_libraries_and_our_data_files(closed: Deployment) -> None:
    plane, run = closed.plane, definition(closed, "run")
    build = "\n".join(plane.images.commands(run.image_id))
    assert "apt-get install -y git ripgrep" in build
    assert "--constraint /opt/constraints.txt" in build
    pinned = (ROOT / "constraints.txt").read_text().partition("\nuv==")[2].partition("\n")[0]
    assert f"/uv:{pinned} " in build
    assert ":latest" not in build
    assert plane.images.layout(run.image_id).env["MODAL_MAX_THROTTLE_WAIT"] == "10"
    for library in ("anthropic", "langgraph-checkpoint-sqlite", "PyGithub", "modal==1.6.4"):
        assert library in build
    assert "compileall -q --invalidation-mode unchecked-hash /root/graph" in build
    mounted = plane.mounts.names(run.mount_ids)
    assert "/root/deploy.py" in mounted
    assert not any(name.startswith("/root/roles/") for name in mounted), "it is in the image"
    files = plane.mounts.names(plane.images.copied(run.image_id))
    assert "/root/roles/claude/prices.toml" in files
    assert {"/root/api/http/page/swagger-ui/swagger-ui.css"} <= files
    assert not any("__pycache__" in name or "/tests/" in name for name in files)


@pytest.mark.parametrize("path", ["/ready", "/docs", "/runs", "/auth-test", "/metrics"])
async def test_it_is_closed_until_keys_and_repositories_are_set(
    closed: Deployment, path: str
) -> None:
    async with closed.client() as http:
        assert (await http.get("/health")).status_code == 200
        answer = await http.get(path)
        assert answer.status_code == 401
        hint = answer.json()["hint"]
        assert "export CODING_AGENT_API_KEYS=" in hint
        assert "export CODING_AGENT_REPOS=" in hint
        assert "modal deploy deploy.py" in hint


async def test_doctor_tries_what_is_deployed(closed: Deployment) -> None:
    command = [sys.executable, "-m", "coding_agent", "doctor", "--modal"]
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env={**os.environ, **closed.plane.env, "COLUMNS": "200"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told = (await process.communicate())[0].decode()
    lines = {line.split()[1]: line for line in told.splitlines() if line[:1] in "✓✗" and line}
    assert process.returncode == 1, told
    assert closed.address in lines["deployment"]
    assert "nobody is let in yet" in lines["keys"]
    assert "export CODING_AGENT_API_KEYS=" in told
    assert [lines[name].split()[0] for name in ("Claude", "GitHub")] == ["✓", "✓"]
    assert "sandbox: mounts" in told
