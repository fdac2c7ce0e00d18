"""The recipes of the documentation, run as they stand against a real service."""

import asyncio
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import SecretStr

from benchmarks.script import make_repository
from benchmarks.timed_claude import TimedClaude
from demo.http_service import serve
from tests.standins.github_server.server import ForgeServer
from tests.support.needed_programs import needs
from wiring import create_local_app
from wiring.setting_types.api_keys import ApiKey
from wiring.settings import Settings

RECIPES = (Path(__file__).parents[3] / "docs/recipes.md").read_text()
BLOCKS = {
    (title, language): code
    for title, language, code in re.findall(
        r"^## ([^\n]+)\n(?:(?!^## ).)*?^```(\w+)\n(.*?)^```", RECIPES, re.MULTILINE | re.DOTALL
    )
}
KEY = "recipes-key-recipes-key-recipes"
TOKEN = "ghp_" + "r" * 36

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]


@pytest_asyncio.fixture
async def environment(data_dir: Path) -> AsyncIterator[dict[str, str]]:
    """What a recipe is told by its environment."""
    make_repository(data_dir / "repository")
    async with ForgeServer(token=TOKEN) as forge, TimedClaude(turns=8) as claude:
        await forge.add_repository("octocat/hello", data_dir / "repository")
        settings = Settings(
            data_dir=data_dir / "data",
            api_keys=(ApiKey("ci", SecretStr(KEY)),),
            anthropic_api_key=SecretStr("recipes-claude-key"),
            anthropic_base_url=claude.base_url,
            github_token=SecretStr(TOKEN),
            github_api_url=forge.api_url,
        )
        async with serve(create_local_app(settings)) as url:
            yield {
                "PATH": os.environ["PATH"],
                "URL": url,
                "KEY": KEY,
                "REPO": f"{forge.address}/octocat/hello",
                "JOB_ID": "job-1",
            }


async def _run(environment: dict[str, str], *command: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await process.communicate()
    return process.returncode, out.decode()


def _recipe(start: str, language: str) -> str:
    found = [
        code
        for (title, spoken), code in BLOCKS.items()
        if title.startswith(start) and spoken == language
    ]
    return str(found[0])


async def test_every_block_is_tried() -> None:
    assert RECIPES.count("\n```") == 2 * len(BLOCKS)
    assert [language for _, language in BLOCKS] == ["sh", "sh", "python", "js"]


@needs("curl")
async def test_curl(environment: dict[str, str]) -> None:
    code, out = await _run(environment, "sh", "-c", _recipe("curl", "sh"))
    assert code == 0
    assert "event: run.finished" in out
    assert '"status":"succeeded"' in out


@needs("curl", "jq")
async def test_the_ci_job_asks_once_and_ends_as_the_run(environment: dict[str, str]) -> None:
    for _ in range(2):
        code, out = await _run(environment, "sh", "-c", _recipe("A CI job", "sh"))
        assert code == 0, out
        assert out.startswith("succeeded http"), out
    assert "/pull/1 " in out


async def test_python(environment: dict[str, str]) -> None:
    code, out = await _run(environment, sys.executable, "-c", _recipe("Python", "python"))
    assert code == 0, out
    assert out.splitlines()[-1] == "succeeded"


@pytest.mark.skipif(shutil.which("node") is None, reason="the recipe needs a browser or node")
async def test_a_browsers_fetch(environment: dict[str, str]) -> None:
    script = (
        "const key = process.env.KEY, repoUrl = process.env.REPO, prompt = 'Say hello';\n"
        "const native = fetch; globalThis.fetch = (path, options) =>"
        " native(process.env.URL + path, options);\n" + _recipe("A browser", "js")
    )
    code, out = await _run(environment, "node", "--input-type=module", "-e", script)
    assert code == 0, out
    assert "run.finished" in out
