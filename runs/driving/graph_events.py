"""What LangGraph's stream says of a run, as entries of the log."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args

from graph import Base, Failure, NodeName, NodeOutcome, NodeStarted, node_outcome
from runs.model.attempts import Ending
from runs.model.log_entry import Entry, entry, entry_of
from runs.model.run import OpenNode, Run

_NODES: Final = frozenset(get_args(NodeName))


def is_node(name: str) -> bool:
    """Whether LangGraph's task of this name is a node; error handlers, for one, are not."""
    return name in _NODES


@dataclass(frozen=True)
class PlanQuestion:
    """A node that waits: LangGraph's id of its question, and the plan it asks about."""

    id: str
    plan_id: str
    plan: dict[str, Any] | None


class GraphEventReader:
    """Turns stream parts into entries; knows which node is open and how often each was begun."""

    def __init__(self, run: Run, put: Callable[[Entry], None]) -> None:
        self._open: OpenNode | None = run.open_node
        self._begun_at: float | None = None
        """By the monotonic clock; None where another drive began the open node."""
        self._visits = dict(run.visits)
        self._put = put
        self.node = run.node
        self.ended_tasks: set[str] = set()
        """Tasks that were over before this drive: LangGraph says again that they begin, no more."""
        self.ending: Ending | None = None
        """Set by the node that ends the run."""

    def read_custom(self, part: Any) -> None:
        """An event that a node or a role has written; what is none is left out."""
        if isinstance(part, dict) and isinstance(part.get("type"), str):
            data = {name: value for name, value in part.items() if name != "key"}
            self._put(entry_of(str(part.get("key") or ""), data))

    def read_start(self, part: Mapping[str, Any]) -> None:
        """A task begins. A node that had only waited for an answer has begun before."""
        name = part["name"]
        waited = self._open is not None and self._open.node == name
        if waited or not is_node(name) or part["id"] in self.ended_tasks:
            return
        visit = self._visits[name] = self._visits.get(name, 0) + 1
        self._open = OpenNode(node=name, visit=visit, since=time.time())
        self._begun_at = time.monotonic()
        self.node = name
        self._put(entry(NodeStarted(key=f"started:{name}:{visit}", node=name, visit=visit)))

    def read_end(self, part: Mapping[str, Any]) -> PlanQuestion | None:
        """A task ends, or waits for an answer."""
        if not is_node(part["name"]):
            return None
        if interrupts := part["interrupts"]:
            question = interrupts[0]["value"]
            return PlanQuestion(interrupts[0]["id"], question["planId"], question["plan"])
        outcome: NodeOutcome = "error"
        if part["error"] is None:
            outcome = node_outcome(part["name"], part["result"])
            if part["result"].get("outcome"):
                self.ending = make_ending(part["result"])
        if node := self.open_node:
            told = node.finished(outcome, time.time())
            found = _base_facts(part) if node.node == "prepare" else {}
            self._put(entry(told.model_copy(update=found)))
            self._open = None
        return None

    @property
    def open_node(self) -> OpenNode | None:
        """The node that works now, with how long it has."""
        if self._open is None or self._begun_at is None:
            return self._open
        worked_s = time.monotonic() - self._begun_at
        return self._open.model_copy(update={"worked_s": worked_s})


def _base_facts(part: Mapping[str, Any]) -> dict[str, Any]:
    """What a node that prepared a base has to tell of it, as fields of its end."""
    base = part["result"].get("base") if part["error"] is None else None
    return {"notes": base.notes or None, "base_sha": base.sha} if isinstance(base, Base) else {}


def make_ending(state: Mapping[str, Any]) -> Ending:
    """How a run ended whose graph has come to its end."""
    outcome, pull_request = state.get("outcome"), state.get("pull_request")
    base: Base | None = state.get("base")
    if outcome is None:
        error = state.get("failure") or Failure(
            code="internal",
            message="The graph ended without an outcome.",
            hint="See the log of the process that drove the run, then resume it.",
        )
        return Ending(status="failed", error=error)
    return Ending(
        status=outcome.status,
        reason=outcome.reason or None,
        explanation=state.get("explanation") or None,
        error=state.get("failure"),
        pr_url=pull_request.url if pull_request else None,
        branch=pull_request.branch if pull_request else None,
        patch=pull_request.patch if pull_request else None,
        pushable=(pull_request and pull_request.pushable) or None,
        includes_uncommitted=bool(pull_request and base and base.parent) or None,
    )
