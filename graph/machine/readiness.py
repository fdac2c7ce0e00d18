"""What a run waits for before its change is made and judged: the environment of its base."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from graph.base_services import PreparationRequest
from graph.errors import CodingAgentError
from graph.machine import edges, role_tasks
from graph.machine.node_events import emit_of_node
from graph.machine.setup_turn import SetupTurn
from graph.services import Services
from graph.spending import with_role_call
from graph.state import RunState
from graph.values import Stopped

Update = dict[str, Any]


async def make_ready(services: Services, state: RunState) -> Update:
    """The environment, with a set-up turn where rules did not suffice, as far as time lasts.

    The turn comes before the change, where it is known by then that one is needed, else before the
    change is judged: then the tree of the roles is made anew with what was found.
    """
    wanted, changed = role_tasks.wanted_by(state), state.get("change") is not None
    try:
        async with asyncio.timeout(wanted.deadline - time.time()) as clock:
            turn = await _take_turn(services, state, wanted)
            if turn and changed:
                await services.workspaces.renew(state["run_id"], state["base"])
            return {**turn, "environment": await services.preparation.environment(wanted)}
    except TimeoutError:
        if not clock.expired():
            raise
    return {"stopped": Stopped(why="time", node="validate" if changed else "code")}


@asynccontextmanager
async def live_tree_begun(services: Services, state: RunState) -> AsyncIterator[None]:
    """Let what takes long for the roles' tree begin while the block runs."""
    beginning = asyncio.create_task(_begin_live_tree(services, state))
    try:
        yield
    finally:
        beginning.cancel()


async def _begin_live_tree(services: Services, state: RunState) -> None:
    """Begin it once it is known what it begins with."""
    wanted = role_tasks.wanted_by(state)
    with suppress(CodingAgentError):  # whoever needs the environment hears of it
        environment = await services.preparation.environment(wanted)
        services.workspaces.begin_live_tree(state["run_id"], state["base"], environment)


@dataclass
class BegunTree:
    """A tree that was begun, and whether somebody is to open it."""

    is_wanted: bool = False


@asynccontextmanager
async def review_tree_begun(services: Services, state: RunState) -> AsyncIterator[BegunTree]:
    """Let what takes long for the reviewer's tree begin while the block runs."""
    begun, environment = BegunTree(), state["environment"]
    assert environment
    services.workspaces.begin_review_tree(
        state["run_id"], state["base"], environment, _review_step(state)
    )
    try:
        yield begun
    finally:
        if not begun.is_wanted:
            await end_review_tree(services, state)


async def end_review_tree(services: Services, state: RunState) -> None:
    """Leave none of a tree that was begun, where the reviewer is not asked after all."""
    with suppress(CodingAgentError):  # the run's end finds it
        await services.workspaces.end_review_tree(state["run_id"], _review_step(state))


def _review_step(state: RunState) -> int:
    return state["step"] + 1


def begin_validation_tree(services: Services, state: RunState) -> None:
    """Let what takes long for the tree of checks begin, where it is known what is in it."""
    environment = state.get("environment")
    if environment and edges.checks_of(state):
        services.checks.begin(state["run_id"], state["base"], environment)


def known_by_now(services: Services, state: RunState) -> Update:
    """What is known of the base, where the state does not hold it yet."""
    environment, baseline = services.preparation.ready(state["run_id"])
    known: Update = {"environment": environment, "baseline": baseline}
    return {name: value for name, value in known.items() if value}


async def _take_turn(services: Services, state: RunState, wanted: PreparationRequest) -> Update:
    """What a turn changes, as any role call: it is taken once in a run, and its money counts."""
    turn = SetupTurn(services)
    if state.get("recipe") or (lack := await turn.find_lack(wanted)) is None:
        return {}
    step = state["step"] + 1
    end = await turn.take(
        wanted,
        lack,
        emit_of_node(),
        limits=state["limits"],
        spent=state["spent"],
        step=step,
        model=state.get("model"),
    )
    costs = with_role_call(state.get("role_costs") or [], "setup", step, end.spend)
    spent = state["spent"] + end.spend
    return {"recipe": end.recipe, "step": step, "spent": spent, "role_costs": costs}
