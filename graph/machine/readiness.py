"""What a run waits for before its change is made and judged: the environment of its base."""

import asyncio
import time
from typing import Any

from graph.base_services import PreparationRequest
from graph.machine import role_tasks
from graph.machine.node_events import emit_of_node
from graph.machine.setup_turn import SetupTurn, setup_task
from graph.services import Services
from graph.state import RunState
from graph.values import Stopped

Update = dict[str, Any]


async def make_ready(services: Services, state: RunState) -> Update:
    """The environment, with a set-up turn where rules did not suffice, as far as time lasts.

    The turn comes before the change: a model looks for it on the untouched base alone.
    """
    wanted, changed = role_tasks.wanted_by(state), state.get("change") is not None
    try:
        async with asyncio.timeout(wanted.deadline - time.time()) as clock:
            turn = {} if changed else await _take_turn(services, state, wanted)
            return {**turn, "environment": await services.preparation.environment(wanted)}
    except TimeoutError:
        if not clock.expired():
            raise
    return {"stopped": Stopped(why="time", node="validate" if changed else "code")}


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
    rules = (await services.preparation.prepared(wanted)).rules
    task = setup_task(wanted, rules, lack, state["limits"], state["spent"]).model_copy(
        update={
            "step": state["step"] + 1,
            "fence": await services.workspaces.next_fence(state["run_id"]),
            "model": state.get("model"),
        }
    )
    end = await turn.take(wanted, task, lack, emit_of_node())
    return {"recipe": end.recipe, "step": task.step, "spent": state["spent"] + end.spend}
