"""The ledger's line of a run, from its events."""

from typing import Any

import pytest

from api.evaluation.run_meter import RunMeter


def usage(role: str, cost: float | None, tokens: int = 10) -> dict[str, Any]:
    return {"type": "usage", "role": role, "costUsd": cost, "input_tokens": tokens}


def node(name: str, seconds: float) -> dict[str, Any]:
    return {"type": "node.finished", "node": name, "durationMs": round(seconds * 1000)}


def validated(status: str, new: int = 0, known: int = 0) -> dict[str, Any]:
    failures = {"newFailures": ["x"] * new, "knownFailures": ["y"] * known}
    return {"type": "validation.finished", "status": status, **failures}


RUN: tuple[dict[str, Any], ...] = (
    {"type": "run.started", "models": {"coder": "claude-x"}, "version": "1.2.3"},
    {"type": "baseline.finished", "status": "passed"},
    usage("planner", 0.1),
    node("plan", 3),
    usage("coder", 0.2),
    usage("coder", 0.3),
    node("code", 5),
    validated("failed", new=2),
    node("validate", 7),
    usage("fixer", 0.1),
    node("fix", 2),
    validated("passed", known=1),
    {"type": "proof.finished", "shown": True},
    {"type": "review.finished", "verdict": "approve"},
    {"type": "tool.started", "role": "reviewer"},
    {"type": "run.finished", "status": "succeeded", "reason": "as_asked"},
)


def line_of(*events: dict[str, Any]) -> dict[str, Any]:
    meter = RunMeter()
    for event in events:
        meter.take(event)
    return meter.line("task-1", "run-1").model_dump()


def test_a_run_is_added_up() -> None:
    line = line_of(*RUN)
    assert (line["requests"], line["cost_usd"], line["seconds"]) == (4, pytest.approx(0.7), 17)
    coder = line["roles"]["coder"]
    assert (coder["requests"], coder["usage"]["input_tokens"], coder["seconds"]) == (2, 20, 5)
    assert (line["fix_rounds"], line["review_rounds"], line["reason"]) == (1, 1, "as_asked")
    assert line["checks"] == {
        "base": "passed",
        "head": "passed",
        "new_failures": 0,
        "known_failures": 1,
        "shown": True,
    }
    assert (line["claimed"], line["version"]) == (True, "1.2.3")


@pytest.mark.parametrize(
    "last",
    [
        (validated("unavailable"), RUN[-1]),
        ({"type": "review.finished", "verdict": "request_changes"}, RUN[-1]),
        ({"type": "run.finished", "status": "incomplete", "reason": "fix_rounds_exhausted"},),
    ],
)
def test_what_was_not_validated_and_approved_is_not_claimed(last: tuple[Any, ...]) -> None:
    assert not line_of(*RUN[:-1], *last)["claimed"]


def test_an_unknown_price_makes_the_cost_unknown() -> None:
    line = line_of(usage("planner", 0.1), usage("coder", None), RUN[-1])
    assert line["cost_usd"] is None
    assert line["roles"]["planner"]["cost_usd"] == 0.1


def test_an_error_is_told_by_its_code() -> None:
    error = {"code": "claude_unauthorized", "message": "m"}
    line = line_of({"type": "run.finished", "status": "failed", "error": error})
    assert (line["status"], line["error"], line["requests"]) == ("failed", "claude_unauthorized", 0)


def test_a_proof_is_that_of_the_last_validation() -> None:
    assert line_of(*RUN[:-1], validated("passed"), RUN[-1])["checks"]["shown"] is None
