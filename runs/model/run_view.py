"""A run as one JSON object, folded from its record and its log."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from graph import Spend
from runs.model.run import Run, reason_of, spend_of
from runs.model.run_record import LoggedEvent

SHOWN: Final = (
    "run.started",
    "node.finished",
    "environment.ready",
    "baseline.finished",
    "plan.ready",
    "validation.finished",
    "proof.finished",
    "review.finished",
    "change.updated",
    "gate.finished",
    "message.received",
    "message.read",
    "message.answered",
    "usage",
    "pr.created",
    "pr.updated",
    "run.finished",
)
"""Types of the events that the object is made of."""


def view(run: Run, events: Iterable[LoggedEvent]) -> dict[str, Any]:
    """The object that `GET /runs/{id}` answers with: the run's row and what its log says.

    `events` are those of the types in SHOWN.
    """
    of_type: dict[str, list[dict[str, Any]]] = {kind: [] for kind in SHOWN}
    pull_request = head_repo = None
    for event in events:
        fields = {name: value for name, value in event.data.items() if name != "type"}
        of_type[event.type].append(fields)
        if event.type in ("pr.created", "pr.updated"):
            pull_request = {name: fields.get(name) for name in ("url", "number", "branch", "draft")}
            head_repo = fields.get("headRepo")
    ends = of_type["run.finished"]
    begun = _last(of_type["run.started"]) or {}
    row = run.record.row()
    return {
        **row,
        "reason": reason_of(ends[-1]) if run.final and ends else None,
        "models": begun.get("models", {}),
        "version": begun.get("version"),
        "explanation": ends[-1].get("explanation") if run.final and ends else None,
        "environment": _last(of_type["environment.ready"]),
        "baseline": _last(of_type["baseline.finished"]),
        "planId": run.plan_id,
        "plan": _plan(run, of_type["plan.ready"]),
        "validations": of_type["validation.finished"],
        "reviews": of_type["review.finished"],
        "change": _last(of_type["change.updated"]),
        "baseSha": _base_sha((*of_type["node.finished"], *of_type["change.updated"])),
        "proof": _last(of_type["proof.finished"]),
        "gate": _last(of_type["gate.finished"]),
        "messages": _messages(of_type),
        "usage": run.spend.usage.model_dump(),
        "roles": _roles(of_type["usage"]),
        "nodes": _nodes(run, of_type["node.finished"]),
        "pr": pull_request or row["pr"],
        "headRepo": head_repo,
        "error": ends[-1].get("error") if run.final and ends else None,
    }


def _plan(run: Run, ready: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The newest plan, or the one that the caller put in its place."""
    if not ready:
        return None
    answer, newest = run.answer, ready[-1]
    if answer and answer.plan_id == newest["planId"] and answer.approval.plan:
        return answer.approval.plan.model_dump(mode="json", by_alias=True)
    plan: dict[str, Any] | None = newest.get("plan")
    return plan


def _messages(of_type: Mapping[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The messages to the run's roles: `queued`, then `read` by a role, then `answered` by one."""
    found = {
        told["number"]: {**told, "state": "queued", "role": None}
        for told in of_type["message.received"]
    }
    for state in ("read", "answered"):
        for told in of_type[f"message.{state}"]:
            message = found.get(told["number"])
            if message and message["state"] != state:
                message |= {"state": state, "role": told["role"]}
    return list(found.values())


def _roles(usages: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    spends: dict[str, Spend] = {}
    for usage in usages:
        role = usage["role"]
        spends[role] = spends.get(role, Spend()) + spend_of(usage)
    return {
        role: {
            "usage": spend.usage.model_dump(),
            "costUsd": spend.cost_usd,
            "turns": spend.turns,
        }
        for role, spend in spends.items()
    }


def _nodes(run: Run, finished: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The nodes that were visited, in the order of their first visits."""
    nodes: dict[str, dict[str, Any]] = {
        name: {"node": name, "visits": visits, "durationMs": 0, "outcome": None}
        for name, visits in run.visits.items()
    }
    for end in finished:
        if node := nodes.get(end["node"]):
            node["durationMs"] += end["durationMs"]
            is_newest = end["visit"] == node["visits"]
            node["outcome"] = end["outcome"] if is_newest else node["outcome"]
    return list(nodes.values())


def _base_sha(told: Iterable[Mapping[str, Any]]) -> str | None:
    """The commit that the newest change is of: where the run began, or a newer one it went to."""
    return next((each["baseSha"] for each in reversed([*told]) if each.get("baseSha")), None)


def _last(items: list[dict[str, Any]]) -> dict[str, Any] | None:
    return items[-1] if items else None
