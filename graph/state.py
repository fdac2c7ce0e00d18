"""The state of the graph: the request's own keys and what the nodes found."""

from typing import Annotated

from pydantic import Field

from graph.environment import Environment, Recipe
from graph.run_request import RunRequest
from graph.spending import Spend
from graph.values import (
    Approval,
    Base,
    Change,
    Check,
    Failure,
    GateReport,
    JudgedOnOldBase,
    Outcome,
    Plan,
    PullRequest,
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

    run_id: Annotated[
        str,
        Field(title="Run", description="Id of the run: the id of the thread."),
    ]
    attempt: Annotated[
        int,
        Field(
            title="Attempt",
            description="Attempt that the newest resume command began; absent before the first.",
        ),
    ]
    limits: Annotated[
        Limits,
        Field(title="Limits", description="What the run may use."),
    ]
    base: Annotated[
        Base,
        Field(title="Base", description="Commit that the change starts from."),
    ]
    branch: Annotated[
        str,
        Field(title="Branch", description="Branch that the change is published on."),
    ]
    checks: Annotated[
        list[Check],
        Field(
            title="Checks", description="All checks that were found; those near the change are run."
        ),
    ]
    environment: Annotated[
        Environment | None,
        Field(title="Environment", description="What makes a new tree of the base ready."),
    ]
    recipe: Annotated[
        Recipe | None,
        Field(title="Recipe", description="What the set-up turn of this run found."),
    ]
    baseline: Annotated[
        Validation | None,
        Field(title="Baseline", description="How the checks end on the untouched base."),
    ]
    deadline: Annotated[
        float,
        Field(
            title="Deadline", description="Unix seconds; moved on by the time that a plan waited."
        ),
    ]
    planned_at: Annotated[
        float,
        Field(title="Planned at", description="Unix seconds."),
    ]
    plan: Annotated[
        Plan | None,
        Field(title="Plan", description="What the planner proposes."),
    ]
    plan_id: Annotated[
        str,
        Field(title="Plan id", description="Id that an answer to the plan names."),
    ]
    approval: Annotated[
        Approval | None,
        Field(title="Answer", description="The caller's answer to the plan."),
    ]
    step: Annotated[
        int,
        Field(title="Step", description="Number of the newest role call that came back."),
    ]
    change: Annotated[
        Change | None,
        Field(
            title="Change", description="The whole change against the base, named by its digest."
        ),
    ]
    validation: Annotated[
        Validation | None,
        Field(title="Validation", description="How the checks ended on the change."),
    ]
    review: Annotated[
        Review | None,
        Field(title="Review", description="The reviewer's verdict and findings."),
    ]
    gate: Annotated[
        GateReport | None,
        Field(title="Gate", description="What the push policy says of the change."),
    ]
    settled: Annotated[
        JudgedOnOldBase | None,
        Field(
            title="Judged on the older base",
            description="What may be published of the change as it was before the base moved.",
        ),
    ]
    rounds: Annotated[
        int,
        Field(title="Fix rounds", description="How often the fixer was called."),
    ]
    spent: Annotated[
        Spend,
        Field(title="Spent", description="Money and tokens spent so far."),
    ]
    spent_before: Annotated[
        Spend,
        Field(
            title="Spent before",
            description=(
                "What was spent before the newest role call, which counts its own replies "
                "again when resumed."
            ),
        ),
    ]
    stopped: Annotated[
        Stopped | None,
        Field(title="Stopped", description="What ran out, and in which node."),
    ]
    pull_request: Annotated[
        PullRequest | None,
        Field(title="Pull request", description="Where the change was published."),
    ]
    outcome: Annotated[
        Outcome | None,
        Field(title="Outcome", description="How the run ended."),
    ]
    failure: Annotated[
        Failure | None,
        Field(title="Failure", description="The error that ended the run."),
    ]
