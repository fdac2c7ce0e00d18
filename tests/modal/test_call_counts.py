"""How often one small run asks Modal for what takes long there: a ceiling for each kind of call."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import pytest

from tests.modal.deployment import Deployment
from tests.modal.measured_run import latencies, measure_run
from tests.modal_plane.availability import need_containers
from tests.standins.postgres_server import records_on_loopback
from tests.support.sandbox.local_tree import AS_ROOT

pytestmark = [pytest.mark.slow, pytest.mark.sandbox, pytest.mark.timeout(300)]
LOOKS_A_S: Final = 2.0
"""Reads that go by time: of who drives the run, of the role at work, and of who follows the run."""
EXECS: Final = 12 if AS_ROOT else 44
"""Two or three of a tree; where a Sandbox knows of its root alone, two and one for each command."""


@dataclass(frozen=True)
class Ceiling:
    """The most calls of one run. `reads` are those that do not go by time."""

    commits: int
    reads: int
    sandboxes: int
    execs: int


CEILINGS: Final[Mapping[str, Ceiling]] = {
    "dicts": Ceiling(commits=23, reads=30, sandboxes=5, execs=EXECS),
    "database": Ceiling(commits=19, reads=30, sandboxes=5, execs=EXECS),
}


@asynccontextmanager
async def deployed(store: str) -> AsyncIterator[Deployment]:
    if store == "dicts":
        async with Deployment.open() as deployment:
            yield deployment
        return
    with records_on_loopback() as url:
        async with Deployment.open(env={"CODING_AGENT_DATABASE_URL": url}) as deployment:
            yield deployment


@pytest.mark.parametrize("store", CEILINGS)
async def test_a_small_run_asks_seldom(store: str) -> None:
    """The second of a deployment, whose containers are warm."""
    need_containers()
    most = CEILINGS[store]
    async with deployed(store) as deployment:
        repo = await deployment.host()
        await measure_run(deployment, repo, "Greet in the morning.")
        known = set(deployment.plane.sandboxes.by_id)
        with latencies(deployment.plane):
            run = await measure_run(deployment, repo, "Greet once more.")
    assert run.counts["commits"] <= most.commits, run.by_function()
    assert run.reads <= most.reads + LOOKS_A_S * run.seconds, run.by_function()
    every = deployment.plane.sandboxes.by_id
    trees = [every[each].tags["tree"] for each in every if each not in known]
    # The planner has a second one where the environment is ready as it begins: that goes by time.
    assert len([tree for tree in trees if tree != "plan-ready"]) <= most.sandboxes, trees
    assert run.counts["Sandboxes"] <= most.sandboxes + 1, run.by_function()
    assert run.counts["execs"] <= most.execs, run.by_function()
