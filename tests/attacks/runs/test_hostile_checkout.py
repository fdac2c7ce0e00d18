"""A checkout that brings settings and code of its own: the command, called in it, takes none."""

import asyncio
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.command.command_process import environment
from tests.support.command.planted_code import plant
from tests.support.whole_runs.claude_script import small_change
from tests.support.whole_runs.hosted_repository import GREETER, make_repository
from tests.support.whole_runs.server_process import environment_of
from tests.support.whole_runs.world import World
from wiring.settings import read_settings

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]
COMMAND: Final = Path(sys.executable).parent / "coding-agent"
ENV_FILES: Final = (
    *(
        ".env",
        "env",
        ".envrc",
        ".env.local",
        "settings.env",
        ".coding-agent/env",
        "coding-agent/env",
    ),
    *(".config/coding-agent/env", "config/env", "etc/coding-agent/env"),
)


def planted_settings(trap: Path, port: int) -> dict[str, str]:
    """Settings that lead to the trap, where a program might look."""
    settings = {
        "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{port}",
        "ANTHROPIC_API_KEY": "sk-ant-planted-0123456789",
        "GITHUB_API_URL": f"http://127.0.0.1:{port}/api/v3",
        "CODING_AGENT_DATA_DIR": str(trap),
        "CODING_AGENT_ENV_FILE": str(trap),
        "CODING_AGENT_SANDBOX": "docker",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
    }
    text = "".join(f"{name}={value}\n" for name, value in settings.items())
    return {**GREETER, **dict.fromkeys(ENV_FILES, text)}


async def test_settings_and_code_of_a_checkout_are_not_taken() -> None:
    reached: list[str] = []

    async def listen(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append("reached")
        writer.close()

    listener = await asyncio.start_server(listen, "127.0.0.1", 0)
    async with listener, World.open() as world:
        trap, port = world.folder / "trap", listener.sockets[0].getsockname()[1]
        repo = make_repository(world.folder / "mine", planted_settings(trap, port))
        plant(repo, trap)  # not committed: its own checks run it, in the sandbox, as they may
        world.cast.learn("Greet in spite of it.", small_change())
        process = await asyncio.create_subprocess_exec(
            *(COMMAND, "run", "Greet in spite of it.", "--repo", ".", "--quiet"),
            env=environment(world.folder, environment_of(world)) | {"PYTHONPATH": ":"},
            cwd=repo,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode == 0, (out, err)
        assert not reached
        assert not trap.exists()
        assert (world.data / "runs.db").exists()
        taken = read_settings(repo / ".env")  # where the user names such a file it is read
        assert (taken.data_dir, taken.sandbox) == (trap, "docker")


@pytest.mark.parametrize(
    ("hosts", "says"),
    [
        ({}, "localhost:443 does not answer"),
        ({"CODING_AGENT_SETUP_HOSTS": "none"}, "export CODING_AGENT_SETUP_HOSTS=localhost:443"),
    ],
)
async def test_doctor_asks_package_managers_away_from_it(
    tmp_path: Path, hosts: dict[str, str], says: str
) -> None:
    trap, asked = tmp_path / "trap", tmp_path / "asked"
    checkout = plant(tmp_path / "mine", trap)
    (checkout / ".npmrc").write_text("registry=https://planted.invalid/\n")
    npm = tmp_path / "programs" / "npm"
    npm.parent.mkdir()
    npm.write_text(f'#!/bin/sh\necho "$PWD ${{PYTHONPATH-unset}}" >{asked}\ncat .npmrc; true\n')
    npm.chmod(0o755)
    settings = {"GOPROXY": "off", "PIP_INDEX_URL": "https://localhost/simple", "PYTHONPATH": ":"}
    env = environment(tmp_path, settings | hosts)
    process = await asyncio.create_subprocess_exec(
        *(COMMAND, "doctor"),
        env=env | {"PATH": f"{npm.parent}:{env['PATH']}"},
        cwd=checkout,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told = (await process.communicate())[0].decode()
    assert says in " ".join(told.split())
    assert "planted" not in told
    assert asked.read_text() == "/ unset\n"
    assert not trap.exists()
