"""Runs that go on with a pull request: what they start from, and how they go."""

from typing import Any, Final

from graph.events.run_events import Emit
from graph.machine.node_events import tell_pull_request
from graph.request.run_request import RunRequest
from graph.services import Repositories, Services
from graph.state import RunState
from graph.values import Base, Outcome, Plan, Review

PLAN: Final = Plan(summary="Carry out the request on the pull request's branch.", route="short")
"""Of a run that follows another one, whose planner has looked before."""


async def find_base(
    repositories: Repositories, run_id: str, request: RunRequest, emit: Emit
) -> Base:
    """The base of a run. Raises RequestError, RepositoryError or ForgeError."""
    if url := request.get("pull_request_url"):
        return await repositories.prepare_pull(run_id, url, emit)
    return await repositories.prepare(
        *(run_id, request["repo_url"], request.get("base_branch"), emit),
        include_uncommitted=bool(request.get("include_uncommitted")),
    )


def plan_of(request: RunRequest) -> Plan | None:
    """The plan of a run that needs no planner."""
    follows = request.get("parent_run_id") and not request.get("approve_plan")
    return PLAN if follows else None


async def begin_review(services: Services, state: RunState, base: Base) -> dict[str, Any]:
    """The keys of a run that reviews a pull request and changes nothing."""
    await services.publisher.check_reviewable(base)
    began, change = await services.repositories.read_pull(state["run_id"], base)
    update: dict[str, Any] = {"base": began, "change": change, "checks": []}
    if change.tree == began.tree:
        return update | {"outcome": Outcome(status="no_changes", reason="empty_change")}
    return update


async def begin_merge(services: Services, run_id: str, base: Base) -> dict[str, Any]:
    """The keys of a run that merges the base branch into a pull request that conflicts with it."""
    onto, change, conflicts = await services.repositories.merge_pull(run_id, base)
    if not conflicts:
        told = f"The pull request merges into {base.branch} without a conflict."
        nothing = Outcome(status="no_changes", reason="nothing_to_do")
        return {"base": onto, "checks": [], "outcome": nothing, "explanation": told}
    summary = f"The pull request conflicts with {base.branch}."
    review = Review(verdict="request_changes", summary=summary, findings=conflicts)
    return {"base": onto, "change": change, "review": review}


async def submit_review(services: Services, state: RunState, emit: Emit) -> dict[str, Any]:
    """Hand the review over; nothing is published of the run's own."""
    review, change = state.get("review"), state.get("change")
    assert review
    assert change
    told = await services.publisher.submit_review(
        state["run_id"], state["base"], change, review, emit
    )
    tell_pull_request(told, emit, f"review:{state['step']}")
    return {"pull_request": told, "outcome": Outcome(status="succeeded")}
