"""What a run's record learns from its events."""

from typing import Any

import pytest

from runs.model.run import Run
from runs.store.outcome import Outcome
from tests.standins.services.run_service import REQUEST

PR = {"url": "https://github.com/o/r/pull/7", "number": 7, "branch": "agent/x", "draft": True}


def run_after(*events: dict[str, Any], **changes: Any) -> Run:
    run = Run(run_id="r", owner="ann", request=REQUEST).replace(**changes)
    for event in events:
        run = run.after(event, 1.0)
    return run


def usage(cost: float) -> dict[str, Any]:
    return {"type": "usage", "role": "coder", "model": "m", "input_tokens": 1, "costUsd": cost}


def test_a_row_tells_cost_against_its_limit() -> None:
    run = run_after(usage(0.1), usage(0.2), request={**REQUEST, "max_cost_usd": 5.0})
    assert (run.record.row()["costUsd"], run.record.row()["maxCostUsd"]) == (0.3, 5.0)
    assert run_after(request={**REQUEST, "max_cost_usd": 0.0}).record.row()["maxCostUsd"] is None


def test_a_row_tells_the_pull_request_as_the_run_and_its_end_do() -> None:
    assert run_after().record.row()["pr"] is None
    assert run_after({"type": "pr.created", **PR}).record.row()["pr"] == PR
    ready = run_after({"type": "pr.created", **PR}, {"type": "pr.updated", **PR, "draft": False})
    assert ready.record.row()["pr"] == PR | {"draft": False}


def test_a_review_alone_counts_as_no_pull_request_of_its_own() -> None:
    told = {"type": "pr.updated", **PR}
    review = run_after(told, request={**REQUEST, "review_only": True})
    assert review.record.row()["pr"] == PR
    for run, number in ((run_after(told), 7), (review, None)):
        outcome = Outcome.of(run)
        assert (outcome.pr_number, outcome.published_at is not None) == (number, number is not None)


def test_a_row_tells_checks_and_review_of_the_newest_change_alone() -> None:
    passed, approved = (
        {"type": "validation.finished", "status": "passed"},
        {"type": "review.finished", "verdict": "approve"},
    )
    row = run_after(passed, approved).record.row()
    assert (row["validation"], row["verdict"]) == ("passed", "approve")
    changed = run_after(passed, approved, {"type": "change.updated"}).record.row()
    assert (changed["validation"], changed["verdict"]) == (None, None)


@pytest.mark.parametrize(
    ("finished", "reason"),
    [
        ({"status": "incomplete", "reason": "not_validated"}, "not_validated"),
        ({"status": "failed", "error": {"code": "push_rejected"}}, "push_rejected"),
        ({"status": "succeeded"}, None),
    ],
)
def test_a_row_tells_why_a_run_ended(finished: dict[str, Any], reason: str | None) -> None:
    end = {"type": "run.finished", **finished}
    assert run_after(end, status=finished["status"]).record.row()["reason"] == reason
    assert run_after(end, status="running").record.row()["reason"] is None
