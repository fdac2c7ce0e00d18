"""Runs that go on with a pull request: what they start from, and how they go."""

from typing import Final

from graph.events.run_events import Emit
from graph.run_request import RunRequest
from graph.services import Repositories
from graph.values import Base, Plan

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
