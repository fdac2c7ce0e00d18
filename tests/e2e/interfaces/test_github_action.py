"""The step of action.yml that runs a request, as GitHub's runner would start it."""

import asyncio
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.needed_programs import needs
from tests.support.whole_runs.claude_script import small_change
from tests.support.whole_runs.server_process import environment_of
from tests.support.whole_runs.world import World

pytestmark = [pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]
ROOT: Final = Path(__file__).parents[3]
NONE_GIVEN: Final = dict.fromkeys(("BASE", "MODEL", "SETUP", "VALIDATE"), "")
INPUTS: Final = {**NONE_GIVEN, "DRAFT": "false", "MAX_COST": "5", "TIMEOUT": "600"}


async def run_step(world: World, **inputs: str) -> tuple[int | None, dict[str, str], str]:
    """The exit code, what the step's outputs are, and what it printed."""
    runner = world.folder / "runner"
    runner.mkdir(mode=0o711, exist_ok=True)
    told = {name: runner / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    for path in told.values():
        path.write_text("")
    process = await asyncio.create_subprocess_exec(
        ROOT / "scripts/github-action",
        "run",
        cwd=ROOT,
        env={
            **environment_of(world),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "CODING_AGENT_COMMAND": str(Path(sys.executable).with_name("coding-agent")),
            "RUNNER_TEMP": str(runner),
            "RUNNER_TOOL_CACHE": "/opt/hostedtoolcache",
            **{name: str(path) for name, path in told.items()},
            **{f"INPUT_{name}": value for name, value in (INPUTS | inputs).items()},
        },
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    lines = told["GITHUB_OUTPUT"].read_text().splitlines()
    outputs = dict(line.split("=", 1) for line in lines)
    assert outputs["status"] in told["GITHUB_STEP_SUMMARY"].read_text()
    return process.returncode, outputs, out.decode()


@needs("jq")
async def test_a_request_becomes_a_pull_request_and_outputs(world: World) -> None:
    repo = await world.host()
    prompt = 'Greet from "a" workflow; $HOME\nand `more`.'
    world.cast.learn(prompt, small_change())
    code, outputs, out = await run_step(
        world,
        PROMPT=prompt,
        REPOSITORY=repo.url,
        DRAFT="true",
        VALIDATE="true\n\ntest -e greet.py\n",
    )
    assert code == 0, out
    (pull,) = repo.pulls
    assert pull.draft
    assert "`test -e greet.py`: passed" in pull.body
    assert outputs.pop("run")
    assert float(outputs.pop("cost")) > 0
    assert outputs == {"status": "succeeded", "url": f"{repo.url}/pull/{pull.number}"}


@needs("jq")
async def test_a_run_that_fails_fails_the_step(world: World) -> None:
    code, outputs, out = await run_step(world, PROMPT="Greet.", REPOSITORY="octo/not-there")
    assert code == 1, out
    assert (outputs["status"], outputs["url"]) == ("failed", "")
