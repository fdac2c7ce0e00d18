"""The Python of docs/python.md, each block run as the script that it is."""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import pytest
import pytest_asyncio
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from demo.http_service import serve
from graph import Approval
from tests.standins.claude import Silence
from tests.support.command.command_process import command
from tests.support.command.warm_command import WarmCommand
from tests.support.whole_runs.claude_script import (
    MORNING,
    Script,
    done,
    plan,
    shell,
    small_change,
)
from tests.support.whole_runs.hosted_repository import GREETER, make_repository
from tests.support.whole_runs.server_process import environment_of
from tests.support.whole_runs.world import CLAUDE_KEY, World

pytestmark = [pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

ROOT: Final = Path(__file__).parents[3]
GATEWAY_KEY: Final = "gateway-key-gateway-key-gateway"
_BLOCK: Final = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> dict[str, str]:
    """The Python of each section by the section's title; a section has one block at most."""
    _, *sections = re.split(r"^##+ ", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = {section.partition("\n")[0]: _BLOCK.findall(section) for section in sections}
    assert all(len(code) <= 1 for code in found.values())
    return {title: code[0] for title, code in found.items() if code}


PAGE: Final = blocks("docs/python.md")
CHECKOUT: Final = PAGE.pop("A local checkout")


@dataclass(frozen=True)
class Told:
    """What a script is to do: Claude's part, and what it prints (`REPO` is the repository)."""

    prompt: str
    script: Script
    out: str
    pulls: int = 1


ONLY_PLANNED: Final[Script] = {"planner": [plan("Change the greeting")]}
UNREVIEWED: Final = {role: said for role, said in small_change().items() if role != "reviewer"}
SUCCEEDS: Final = r"succeeded\nREPO/pull/1\n"
STREAMED: Final = (
    r"prepare\n(  .+\n)*  plan\.ready \nplan\n"
    r"(  .+\n)*  tool\.started {'command': \"sed .+\n(  .+\n)*  change\.updated \ncode\n"
    r"(  .+\n)*validate\n(  .+\n)*review\n(  .+\n)*  pr\.created \npublish\n"
)
EXPECTED: Final[dict[str, Told]] = {
    "Run": Told("Greet in the morning", small_change(), SUCCEEDS),
    "Stream": Told("Greet in the evening", small_change(), STREAMED),
    "Approve a plan": Told(
        "Greet at noon",
        small_change(),
        rf"Greet as asked\.\n{re.escape(Approval.EXPECTED)}\nsucceeded\n",
    ),
    "Only a plan": Told(
        "Greet at night",
        ONLY_PLANNED,
        r"Greet as asked\.\n- Change the greeting\nrejected 0\.\d+\n",
        pulls=0,
    ),
    "Go on after a crash": Told("Greet at dawn", small_change(coder=[]), r"succeeded\n"),
    "Go on after an end": Told(
        "Greet at dusk", small_change(), r"budget_exhausted then succeeded\n"
    ),
    "Replace a role": Told("Greet by the checks", UNREVIEWED, r"succeeded - The checks decide\.\n"),
    "Replace a node": Told("Greet in secret", small_change(), r"greet\.py\nsucceeded\n", pulls=0),
    "Another endpoint": Told(
        "Greet through the gateway", small_change(), r"succeeded [1-9]\d* None\n"
    ),
    "A process of its own": Told(
        "Greet from a process",
        small_change(),
        r"1 run\.started\n(\d+ .+\n)+\d+ run\.finished\nsucceeded REPO/pull/1\n",
    ),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[World]:
    async with World.open() as world:
        yield world


@asynccontextmanager
async def gateway(world: World) -> AsyncIterator[str]:
    """An endpoint with a key and a model of its own, Claude's stand-in behind it."""
    async with httpx.AsyncClient(base_url=world.claude.base_url, trust_env=False) as behind:

        async def pass_on(request: Request) -> StreamingResponse:
            body = await request.json()
            assert request.headers["authorization"] == f"Bearer {GATEWAY_KEY}"
            assert body["model"] == "house-model"
            headers = {**request.headers, "authorization": f"Bearer {CLAUDE_KEY}"}
            for name in ("host", "content-length"):
                headers.pop(name, None)
            asked = behind.build_request(
                "POST", request.url.path, json=body | {"model": "claude-opus-5-5"}, headers=headers
            )
            answer = await behind.send(asked, stream=True)
            return StreamingResponse(
                answer.aiter_raw(),
                answer.status_code,
                media_type=answer.headers["content-type"],
                background=BackgroundTask(answer.aclose),
            )

        route = Route("/v1/messages", pass_on, methods=["POST"])
        async with serve(Starlette(routes=[route])) as address:
            yield address


async def start(code: str, world: World, **env: str) -> WarmCommand:
    """Start a script, in a folder without modules and with no other environment."""
    home = {"PATH": os.environ["PATH"], "HOME": str(world.folder), "LANG": "C.UTF-8"}
    return await WarmCommand.started(
        env={**home, **env}, folder=world.folder, code=code, drives=True
    )


async def run(code: str, world: World, **env: str) -> str:
    """What a script prints; it ends well and complains of nothing."""
    script = await start(code, world, **env)
    out, err = await script.communicate()
    assert (script.returncode, err.decode()) == (0, ""), out.decode()
    return out.decode()


async def test_every_block_is_tried() -> None:
    assert set(PAGE) == set(EXPECTED)


async def run_before(title: str, world: World, env: dict[str, str]) -> None:
    """What a block goes on with: a run that was killed, or one that had too little money."""
    code, told = PAGE["Run"], EXPECTED[title]
    code = code.replace("Greet in the morning", told.prompt)
    if title == "Go on after an end":
        code = code.replace("morning-1", "dusk-1")
        out = await run(code, world, **env, CODING_AGENT_MAX_COST_USD="0.0001")
        assert out == "budget_exhausted\n"
    elif title == "Go on after a crash":
        silence = Silence()
        world.cast.add(told.prompt, {"coder": [shell(MORNING), silence, done()]})
        script = await start(code.replace("morning-1", "dawn-1"), world, **env)
        begun, ended = (asyncio.ensure_future(each.wait()) for each in (silence.begun, script))
        await asyncio.wait((begun, ended), return_when=asyncio.FIRST_COMPLETED)
        assert begun.done()
        script.kill()
        await ended


@pytest.mark.slow
@pytest.mark.parametrize("title", PAGE)
async def test_a_block_of_the_page(world: World, title: str) -> None:
    told, repo = EXPECTED[title], await world.host()
    world.cast.learn(told.prompt, told.script)
    env = environment_of(world) | {"REPO": repo.url}
    await run_before(title, world, env)
    async with gateway(world) as address:
        if title == "Another endpoint":
            del env["ANTHROPIC_BASE_URL"], env["ANTHROPIC_API_KEY"]
            env |= {"GATEWAY_URL": address, "GATEWAY_KEY": GATEWAY_KEY}
        out = await run(PAGE[title], world, **env)
    assert re.fullmatch(told.out.replace("REPO", re.escape(repo.url)), out), out
    assert world.cast.untold(told.prompt) == {}
    assert [pull.head for pull in repo.pulls] == repo.branches
    assert len(repo.pulls) == told.pulls


async def test_the_block_on_a_local_checkout(world: World) -> None:
    make_repository(world.folder / "src" / "tool", GREETER)
    world.cast.learn("Add a --json flag", small_change())
    env = environment_of(world)
    del env["GITHUB_TOKEN"], env["GITHUB_API_URL"]
    out = await run(CHECKOUT, world, **env)
    assert re.match(r"succeeded url=None number=None branch='agent/greet-in-the-morning-", out), out
    listed = await command("runs", "--json", home=world.folder, env=env)
    runs = {each["runId"]: each["status"] for each in json.loads(listed.out)["runs"]}
    assert runs["my-run-1"] == "succeeded"
