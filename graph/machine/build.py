"""The state machine, put together."""

import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Final, Protocol

from langgraph.errors import GraphBubbleUp
from langgraph.graph import START, StateGraph
from langgraph.types import Command

from graph.errors import CodingAgentError
from graph.files import store_full
from graph.machine import edges
from graph.machine.node_events import emit_of_node
from graph.machine.nodes import Nodes, Update
from graph.machine.tracing import span
from graph.request.request_rules import RequestRules
from graph.request.run_request import RunRequest
from graph.services import Services
from graph.state import Limits, RunState
from graph.values import NODE_NAMES, NODE_OF_ROLE, Failure, NodeName, Outcome

log = logging.getLogger(__name__)


RECURSION_LIMIT: Final = 100
_DEFAULT_LIMITS = Limits()
_NO_RULES: Final = RequestRules()


class Node(Protocol):
    """One step of the graph: returns the keys it changed."""

    async def __call__(self, state: RunState) -> Update: ...


CallNode = Callable[[NodeName, RunState, Callable[[], Awaitable[Update]]], Awaitable[Update]]
"""Calls a node and gives its update on; is told the node's name, and the state that it gets."""


async def _call(_: NodeName, __: RunState, node: Callable[[], Awaitable[Update]]) -> Update:
    return await node()


def build_graph(
    services: Services,
    limits: Limits = _DEFAULT_LIMITS,
    rules: RequestRules = _NO_RULES,
    *,
    call_node: CallNode = _call,
) -> "StateGraph[RunState, None, RunRequest, RunState]":
    """The graph over these services, not yet compiled; `limits` and `rules` are the operator's.

    Each node is called by `call_node`.
    """
    nodes = Nodes(services, limits, rules)
    graph = StateGraph(RunState, input_schema=RunRequest)
    for name in NODE_NAMES:
        whole = _whole(name, getattr(nodes, name), services)
        graph.add_node(name, _called(name, whole, call_node))
        graph.add_conditional_edges(name, partial(edges.route, name), edges.ROUTES[name])
    graph.add_edge(START, "prepare")
    return graph


def _called(name: NodeName, node: Node, call_node: CallNode) -> Node:
    async def called(state: RunState) -> Update:
        return await call_node(name, state, partial(node, state))

    return called


def resume_command(
    state: RunState, pending: tuple[str, ...], limits: Limits, attempt: int
) -> Command[Any]:
    """The input that carries a run on after an end, with a clock of its own and these limits.

    `state` and `pending` are the values and `next` of the thread's newest checkpoint; `attempt`
    stays in the state, which so says that the command was taken. A role that was stopped is called
    again as the same step, so that it goes on in its own transcript.
    """
    node = pending[0] if pending else edges.resume_from(state)
    update: dict[str, Any] = {
        "attempt": attempt,
        "limits": limits,
        **limits.model_dump(),
        "deadline": time.time() + limits.timeout_s,
        "planned_at": time.time(),
        "outcome": None,
        "failure": None,
        "stopped": None,
    }
    if state.get("stopped") and node in NODE_OF_ROLE.values():
        update |= {"step": state["step"] - 1, "spent": state["spent_before"]}
    if node == "fix":
        update["rounds"] = 0
    return Command(goto=node, update=update)


def _whole(name: NodeName, node: Node, services: Services) -> Node:
    """A node in a span of its own. Its exceptions become the run's failure.

    A node that ends the run leaves no sandbox behind; the state keeps where the run stopped.
    """

    async def whole(state: RunState) -> Update:
        try:
            if services.progress and (base := state.get("base")):
                services.progress.show(state["run_id"], base, name)
            with span(f"node {name}", node=name) as traced, _heard(services, state):
                update = await node(state)
                traced.set_attribute("coding_agent.outcome", edges.node_outcome(name, update))
        except GraphBubbleUp:  # a node that waits for an answer; the run holds nothing meanwhile
            await services.pause_run(state["run_id"])
            raise
        except Exception as error:  # noqa: BLE001 - whatever ends a node is told, and can be resumed
            update = _failed(error, name, state.get("run_id"))
        run_id = update.get("run_id") or state.get("run_id")
        if run_id and (outcome := update.get("outcome")):
            resumable = outcome.status not in ("succeeded", "no_changes", "rejected")
            await services.close_run(run_id, resumable=resumable, status=outcome.status)
        return update

    return whole


def _heard(services: Services, state: RunState) -> AbstractContextManager[None]:
    """While a node is at work, what is made ready beside it speaks to the run's log."""
    if not (run_id := state.get("run_id")):
        return nullcontext()
    return services.preparation.heard_by(run_id, emit_of_node())


def _failed(error: Exception, node: NodeName, run_id: str | None) -> Update:
    failure = failure_of(error, node)
    if failure.code == CodingAgentError.code:
        log.error("node %s of run %s failed", node, run_id, exc_info=error)
    return {"failure": failure, "outcome": Outcome(status="failed")}


def failure_of(error: BaseException, node: str) -> Failure:
    """An exception as data; one that is not ours says nothing of its inside."""
    error = store_full(error) or error
    if isinstance(error, CodingAgentError):
        return Failure(code=error.code, message=error.message, hint=error.hint, node=node)
    return Failure(
        code=CodingAgentError.code,
        message=f"An unexpected {type(error).__name__} ended the run.",
        hint="See the log of the process that drove the run, then resume it.",
        node=node,
    )
