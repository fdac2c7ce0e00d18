"""The object that shows a run."""

from typing import Any

from graph.values import Approval, Plan
from runs.model.run import Answer, Run
from runs.model.run_record import LoggedEvent
from runs.model.run_view import view
from tests.standins.services.run_service import REQUEST


def run_of(**changes: Any) -> Run:
    return Run(run_id="r", owner="o", request=REQUEST, created_at=0.0, updated_at=1.5).replace(
        **changes
    )


def logged(*events: dict[str, Any]) -> list[LoggedEvent]:
    return [LoggedEvent("r", seq, 0.0, data["type"], data) for seq, data in enumerate(events, 1)]


def finished(attempt: int, **fields: Any) -> dict[str, Any]:
    return {"type": "run.finished", "attempt": attempt, **fields}


def test_a_run_that_has_just_been_made() -> None:
    shown = view(run_of(), [])
    assert shown == {
        "runId": "r",
        "status": "queued",
        "reason": None,
        "node": None,
        "attempt": 1,
        "owner": "o",
        "maxCostUsd": None,
        "validation": None,
        "verdict": None,
        "repoUrl": REQUEST["repo_url"],
        "prompt": REQUEST["prompt"],
        "models": {},
        "version": None,
        "baseSha": None,
        "environment": None,
        "explanation": None,
        "baseline": None,
        "planId": None,
        "plan": None,
        "validations": [],
        "reviews": [],
        "change": None,
        "proof": None,
        "gate": None,
        "nodes": [],
        "messages": [],
        "usage": {
            "input_tokens": 0,
            "output_tokens": 0,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
        },
        "costUsd": 0.0,
        "roles": {},
        "pr": None,
        "headRepo": None,
        "error": None,
        "createdAt": "1970-01-01T00:00:00.000Z",
        "updatedAt": "1970-01-01T00:00:01.500Z",
    }


def test_an_error_is_shown_only_while_it_is_the_end() -> None:
    error = {"code": "push_refused", "message": "no"}
    events = logged(finished(1, error=error, reason="r"))
    assert view(run_of(status="failed"), events)["error"] == error
    assert view(run_of(status="failed"), events)["reason"] == "r"
    assert view(run_of(status="running", attempt=2), events)["error"] is None
    again = [*events, *logged(finished(2))]
    assert view(run_of(status="succeeded", attempt=2), again)["error"] is None


def test_the_newest_of_each_is_shown() -> None:
    events = logged(
        {"type": "plan.ready", "planId": "plan-1", "plan": {"summary": "one"}},
        {"type": "plan.ready", "planId": "plan-2", "plan": {"summary": "two"}},
        {"type": "gate.finished", "passed": False, "findings": []},
        {"type": "gate.finished", "passed": True, "findings": []},
        {"type": "pr.created", "url": "u", "number": 1, "branch": "b", "draft": True},
        {"type": "pr.updated", "branch": "b", "draft": False, "headRepo": "me/fork"},
    )
    shown = view(run_of(), events)
    assert shown["plan"] == {"summary": "two"}
    assert shown["gate"]["passed"] is True
    assert shown["pr"] == {"url": None, "number": None, "branch": "b", "draft": False}
    assert shown["headRepo"] == "me/fork"
    mine = Approval(decision="approve", plan=Plan(summary="mine"))
    old = run_of(answer=Answer(plan_id="plan-1", approval=mine))
    assert view(old, events)["plan"] == {"summary": "two"}
    new = run_of(answer=Answer(plan_id="plan-2", approval=mine))
    assert view(new, events)["plan"]["summary"] == "mine"


def test_a_role_with_an_unknown_price() -> None:
    usage = {"type": "usage", "role": "coder", "model": "m", "input_tokens": 5}
    events = logged({**usage, "costUsd": 0.5}, {**usage, "costUsd": None})
    coder = view(run_of(), events)["roles"]["coder"]
    assert coder["costUsd"] is None
    assert coder["usage"]["input_tokens"] == 10


def test_a_turn_is_a_whole_reply() -> None:
    usage = {"type": "usage", "role": "coder", "model": "m", "input_tokens": 5, "costUsd": 0.1}
    events = logged({**usage, "replies": 1}, {**usage, "replies": 0}, usage)
    coder = view(run_of(), events)["roles"]["coder"]
    assert coder["turns"] == 2
    assert coder["usage"]["input_tokens"] == 15


def test_nodes_tell_all_of_their_visits() -> None:
    def ended(node: str, visit: int, outcome: str, duration_ms: int) -> dict[str, Any]:
        told = {"node": node, "visit": visit, "outcome": outcome, "durationMs": duration_ms}
        return {"type": "node.finished", **told}

    visits = {"plan": 1, "validate": 2, "fix": 2}
    events = logged(
        ended("plan", 1, "ok", 5),
        ended("validate", 1, "failed", 7),
        ended("fix", 1, "ok", 2),
        ended("validate", 2, "passed", 1),
    )
    assert view(run_of(visits=visits), events)["nodes"] == [
        {"node": "plan", "visits": 1, "durationMs": 5, "outcome": "ok"},
        {"node": "validate", "visits": 2, "durationMs": 8, "outcome": "passed"},
        {"node": "fix", "visits": 2, "durationMs": 2, "outcome": None},
    ]


def test_the_newest_change_proof_and_models_are_shown() -> None:
    begun = {"type": "run.started", "models": {"coder": "m2"}, "version": "2"}
    changes: list[dict[str, Any]] = [
        {"type": "change.updated", "digest": each, "files": []} for each in ("1", "2")
    ]
    proof = {"type": "proof.finished", "tests": [], "shown": True, "notTried": []}
    shown = view(run_of(), logged({**begun, "models": {}}, begun, *changes, proof))
    assert shown["models"] == {"coder": "m2"}
    assert shown["version"] == "2"
    assert shown["change"] == {"digest": "2", "files": []}
    assert shown["proof"]["shown"]


def test_a_message_is_queued_then_read_then_answered() -> None:
    received = {"type": "message.received", "number": 1, "text": "Hi.", "by": "ann"}
    read = {"type": "message.read", "number": 1}
    planner, coder = {**read, "role": "planner"}, {**read, "role": "coder"}
    answered = {"type": "message.answered", "number": 1, "role": "planner"}

    def state(*events: dict[str, Any]) -> tuple[str, str | None]:
        (message,) = view(run_of(), logged(received, *events))["messages"]
        return message["state"], message["role"]

    assert state() == ("queued", None)
    assert state(planner) == ("read", "planner")
    assert state(planner, answered, coder) == ("answered", "planner")
