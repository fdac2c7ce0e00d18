"""Whole runs on a repository where the account has no write."""

import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from langchain_core.runnables import RunnableConfig

from local import open_graph
from tests.standins.claude import answer
from tests.support.sandbox.local_tree import missing
from tests.support.whole_runs.claude_script import small_change
from tests.support.whole_runs.hosted_repository import GREETER, Hosted
from tests.support.whole_runs.world import World

pytestmark = [pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

POLICY = "We are few.\n\nWe close **every** pull request that was written by an AI.\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[World]:
    if reason := missing():
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    async with World.open() as world:
        world.settings = world.settings.model_copy(update={"fork": "public"})
        yield world


async def run(world: World, repo: Hosted, run_id: str, prompt: str) -> dict[str, Any]:
    config: RunnableConfig = {"configurable": {"thread_id": run_id}}
    async with open_graph(world.settings) as graph:
        return await graph.ainvoke({"repo_url": repo.url, "prompt": prompt}, config)


async def test_who_wants_none_is_quoted_before_the_coder_is_paid(world: World) -> None:
    repo = await world.host({**GREETER, "CONTRIBUTING.md": POLICY}, push=False)
    said = "We close every pull request that was written by an AI."
    world.cast.learn("Greet the few.", {"planner": [answer(route="refused", summary=said)]})
    state = await run(world, repo, "refused-1", "Greet the few.")
    assert (state["outcome"].status, state["outcome"].reason) == (
        "rejected",
        "contributions_refused",
    )
    assert state["explanation"] == f"CONTRIBUTING.md: “{said}”"
    assert [cost.role for cost in state["role_costs"]] == ["planner"]
    assert not repo.pulls


async def test_one_draft_that_says_what_it_is_and_no_second(world: World) -> None:
    repo = await world.host(GREETER, push=False)
    world.cast.learn("Greet from outside.", small_change())
    state = await run(world, repo, "outside-1", "Greet from outside.")
    assert state["outcome"].status == "succeeded", state
    (pull,) = repo.pulls
    assert pull.draft
    assert "Made by a coding agent" in pull.body
    state = await run(world, repo, "outside-2", "Greet from outside.")
    assert state["failure"].code == "pull_request_open"
    assert f"{repo.url}/pull/1" in state["failure"].message
    assert not state.get("role_costs")
