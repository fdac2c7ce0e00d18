"""The state of the graph: the request's own keys and what the nodes found."""

from typing import Annotated, Any

from pydantic import Field

from graph.environment import Environment, Recipe
from graph.pictures import RequestPicture
from graph.publication import GateReport, JudgedOnOldBase, PullRequest, RaisedFinding
from graph.request.run_request import RunRequest, described
from graph.spending import RoleCost, Spend
from graph.values import (
    Approval,
    Base,
    Change,
    Check,
    Failure,
    Outcome,
    Plan,
    Review,
    Stopped,
    Validation,
    Value,
)


class Limits(Value):
    """What a run may use; a request can lower each. 0 means no limit for money and tokens."""

    max_cost_usd: float = Field(default=5.0, ge=0)
    max_tokens: int = Field(default=0, ge=0)
    max_fix_rounds: int = Field(default=3, ge=0)
    timeout_s: int = Field(default=3600, ge=1)

    def lowered_by(self, request: RunRequest) -> "Limits":
        """The lower of each limit and the request's; 0 stands for no limit of money or tokens."""
        money, tokens = request.get("max_cost_usd"), request.get("max_tokens")
        rounds, timeout = request.get("max_fix_rounds"), request.get("timeout_s")
        return Limits(
            max_cost_usd=min(money, self.max_cost_usd or money) if money else self.max_cost_usd,
            max_tokens=min(tokens, self.max_tokens or tokens) if tokens else self.max_tokens,
            max_fix_rounds=min(
                self.max_fix_rounds, self.max_fix_rounds if rounds is None else rounds
            ),
            timeout_s=min(self.timeout_s, timeout or self.timeout_s),
        )


class RunState(RunRequest, total=False):
    """All channels. Nodes return only the keys they change."""

    run_id: Annotated[str, described("Run", "Id of the run: the id of the thread.")]
    attempt: Annotated[
        int,
        described(
            "Attempt", "Attempt that the newest resume command began; absent before the first."
        ),
    ]
    limits: Annotated[Limits, described("Limits", "What the run may use.")]
    base: Annotated[Base, described("Base", "Commit that the change starts from.")]
    head_branch: Annotated[str, described("Head branch", "Branch that the change is published on.")]
    shown_pictures: Annotated[
        list[RequestPicture],
        described("Shown pictures", "Pictures of the request that roles are shown."),
    ]
    checks: Annotated[
        list[Check],
        described("Checks", "All checks that were found; those near the change are run."),
    ]
    environment: Annotated[
        Environment | None, described("Environment", "What makes a new tree of the base ready.")
    ]
    recipe: Annotated[
        Recipe | None,
        described("Recipe", "What the set-up turn of this run found."),
    ]
    baseline: Annotated[
        Validation | None, described("Baseline", "How the checks end on the untouched base.")
    ]
    deadline: Annotated[
        float, described("Deadline", "Unix seconds; moved on by the time that a plan waited.")
    ]
    planned_at: Annotated[float, described("Planned at", "Unix seconds.")]
    plan: Annotated[Plan | None, described("Plan", "What the planner proposes.")]
    plan_id: Annotated[str, described("Plan id", "Id that an answer to the plan names.")]
    approval: Annotated[Approval | None, described("Answer", "The caller's answer to the plan.")]
    step: Annotated[int, described("Step", "Number of the newest role call that came back.")]
    change: Annotated[
        Change | None,
        described("Change", "The whole change against the base, named by its digest."),
    ]
    validation: Annotated[
        Validation | None, described("Validation", "How the checks ended on the change.")
    ]
    review: Annotated[Review | None, described("Review", "The reviewer's verdict and findings.")]
    gate: Annotated[
        GateReport | None, described("Gate", "What the push policy says of the change.")
    ]
    settled: Annotated[
        JudgedOnOldBase | None,
        described(
            "Judged on the older base",
            "What may be published of the change as it was before the base moved.",
        ),
    ]
    rounds: Annotated[int, described("Fix rounds", "How often the fixer was called.")]
    spent: Annotated[Spend, described("Spent", "Money and tokens spent so far.")]
    role_costs: Annotated[
        list[RoleCost], described("Costs of roles", "What each role has spent so far.")
    ]
    raised: Annotated[
        list[RaisedFinding],
        described("Raised findings", "What fixers were called for, the newest alone."),
    ]
    spent_before: Annotated[
        Spend,
        described(
            "Spent before",
            (
                "What was spent before the newest role call, which counts its own replies "
                "again when resumed."
            ),
        ),
    ]
    stopped: Annotated[Stopped | None, described("Stopped", "What ran out, and in which node.")]
    pull_request: Annotated[
        PullRequest | None, described("Pull request", "Where the change was published.")
    ]
    outcome: Annotated[Outcome | None, described("Outcome", "How the run ended.")]
    explanation: Annotated[
        str,
        described(
            "Explanation",
            "Why there is nothing to change, as the planner says it, the repository's sentence "
            "that refuses such contributions, or what money or tokens did not suffice for.",
        ),
    ]
    failure: Annotated[Failure | None, described("Failure", "The error that ended the run.")]


def fresh_state() -> dict[str, Any]:
    """What no earlier run of a thread may hand on."""
    return {
        "plan": None,
        "approval": None,
        "environment": None,
        "recipe": None,
        "baseline": None,
        "shown_pictures": [],
        "step": 0,
        "change": None,
        "validation": None,
        "review": None,
        "gate": None,
        "settled": None,
        "rounds": 0,
        "spent": Spend(),
        "role_costs": [],
        "raised": [],
        "spent_before": Spend(),
        "stopped": None,
        "pull_request": None,
        "outcome": None,
        "explanation": "",
        "failure": None,
    }
