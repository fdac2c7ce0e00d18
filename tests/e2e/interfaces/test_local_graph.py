"""The graph as Python code opens it: LangGraph's own calls over this machine's services."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from langchain_core.runnables import RunnableConfig
from langgraph.types import Command

from graph.publication import PullRequest
from graph.request.run_request import RunRequest
from graph.values import Outcome
from local import open_graph
from runs.model import Caller
from tests.support.sandbox.local_tree import missing
from tests.support.trusted_side import git
from tests.support.whole_runs.claude_script import small_change
from tests.support.whole_runs.hosted_repository import GREETER, Hosted, make_repository
from tests.support.whole_runs.leftovers import Leftovers
from tests.support.whole_runs.world import World
from wiring import open_service

pytestmark = [pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]
MORNING = "Good morning"


@pytest.fixture(autouse=True)
def _needs_namespaces() -> None:
    if reason := missing():
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[World]:
    async with World.open() as world:
        yield world


def asked(world: World, prompt: str, repo: Hosted) -> RunRequest:
    world.cast.learn(prompt, small_change())
    return {"repo_url": repo.url, "prompt": prompt}


def thread(name: str) -> RunnableConfig:
    return {"configurable": {"thread_id": name}}


async def test_a_run_by_ainvoke(world: World) -> None:
    repo = await world.host()
    async with open_graph(world.settings) as graph:
        config = thread("my-run-1")
        state = await graph.ainvoke(asked(world, "Greet from Python.", repo), config)
        assert state["outcome"] == Outcome(status="succeeded")
        pull: PullRequest = state["pull_request"]
        assert (pull.url, pull.draft) == (f"{repo.url}/pull/1", False)
        assert MORNING in repo.diff(pull.branch)
        kept = await graph.aget_state(config)
        assert (kept.next, kept.values["outcome"]) == ((), state["outcome"])
    assert "my-run-1" in repo.told
    async with open_service(world.settings) as service:
        view = await service.view("my-run-1", Caller("local"))
    assert (view["status"], view["pr"]["url"]) == ("succeeded", pull.url)
    assert view["costUsd"] > 0
    await Leftovers(world.data).none_of("my-run-1", "succeeded")


async def test_a_run_by_astream(world: World) -> None:
    repo = await world.host()
    nodes: list[str] = []
    said: list[dict[str, Any]] = []
    async with open_graph(world.settings) as graph:
        request = asked(world, "Greet in a stream.", repo)
        modes: Any = ["updates", "custom"]
        parts: Any = graph.astream(request, thread("my-run-2"), stream_mode=modes)
        async for mode, part in parts:
            if mode == "updates":
                nodes += part
            else:
                said.append(part)
    assert nodes == ["prepare", "plan", "code", "validate", "review", "publish"]
    kinds = [part["type"] for part in said]
    assert kinds.count("usage") == 4
    wanted = ["plan.ready", "tool.started", "tool.finished", "change.updated"]
    wanted += ["validation.finished", "review.finished", "gate.finished", "pr.created"]
    assert [kind for kind in kinds if kind in wanted] == wanted


async def test_a_plan_approved_in_another_process(world: World) -> None:
    repo = await world.host()
    request = asked(world, "Greet once I agree.", repo)
    config = thread("my-run-3")
    async with open_graph(world.settings) as graph:
        waiting = await graph.ainvoke({**request, "approve_plan": True}, config)
        (question,) = waiting["__interrupt__"]
        assert question.value["plan"]["summary"] == "Greet as asked."
        assert "outcome" not in waiting or waiting["outcome"] is None
    async with open_graph(world.settings) as graph:
        assert (await graph.aget_state(config)).next == ("approve",)
        state = await graph.ainvoke(Command(resume={"decision": "approve"}), config)
    assert state["outcome"].status == "succeeded"
    assert len(world.cast.asked(request["prompt"], "planner")) == 1


async def test_a_plan_rejected(world: World) -> None:
    repo = await world.host()
    config = thread("my-run-4")
    async with open_graph(world.settings) as graph:
        request = asked(world, "Greet if I agree.", repo)
        await graph.ainvoke({**request, "approve_plan": True}, config)
        state = await graph.ainvoke(Command(resume={"decision": "reject"}), config)
    assert state["outcome"].status == "rejected"
    assert repo.pulls == []


async def test_a_local_checkout_and_limits_in_the_input(world: World, tmp_path: Path) -> None:
    checkout = make_repository(tmp_path / "mine", GREETER)
    prompt = "Greet at home."
    world.cast.learn(prompt, small_change())
    request: RunRequest = {"repo_url": str(checkout), "prompt": prompt, "max_cost_usd": 1.0}
    async with open_graph(world.settings) as graph:
        state = await graph.ainvoke(request, thread("my-run-5"))
    assert state["limits"].max_cost_usd == 1.0
    pull: PullRequest = state["pull_request"]
    assert pull.url is None
    assert MORNING in git(checkout, "show", pull.branch).decode()
    assert pull.patch
    assert MORNING in Path(pull.patch).read_text()


@pytest.mark.parametrize("name", ["../out", "a/b", "x" * 65])
async def test_a_thread_that_cannot_name_a_run(world: World, name: str) -> None:
    repo = await world.host()
    prompt = f"Greet as {name!r}."
    request: RunRequest = {"repo_url": repo.url, "prompt": prompt}
    async with open_graph(world.settings) as graph:
        state = await graph.ainvoke(request, thread(name))
    assert state["failure"].code == "invalid_request"
    assert not (world.data / "out").exists()
