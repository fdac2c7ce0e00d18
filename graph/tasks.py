"""What a role is given and what it hands back: plain JSON, so that a role can run anywhere."""

from graph.environment import Environment
from graph.pictures import RequestPicture
from graph.publication import GateFinding
from graph.spending import Budget, Spend
from graph.values import (
    Base,
    ChangeRef,
    FolderCommand,
    Plan,
    Review,
    RoleName,
    Stop,
    Validation,
    Value,
)


class RoleTask(Value):
    """One call of one role.

    `step` counts the role calls of a run and names the call's files; a call that is repeated after
    a crash has the same `step` and a higher `fence`, and only the highest may write.
    """

    run_id: str
    role: RoleName
    step: int
    fence: int
    prompt: str
    pictures: tuple[RequestPicture, ...] = ()
    base: Base
    budget: Budget
    model: str | None = None
    plan: Plan | None = None
    approve_plan: bool = False
    """Whether somebody is asked before the plan is carried out, which may take long."""
    feedback: str = ""
    """What the caller said of the plan before, with `plan` that plan."""
    change: ChangeRef | None = None
    """The newest change, None before the first."""
    checks: tuple[str, ...] = ()
    environment: Environment | None = None
    """What the role's tree has; None while it is not there."""
    baseline: Validation | None = None
    """How the checks end on the untouched base; None while that is not known."""
    validation: Validation | None = None
    review: Review | None = None
    gate: tuple[GateFinding, ...] = ()


class PlannerResult(Value):
    """`plan` is None where there is nothing to do (`reason` says why) or the role was stopped.

    `refusal` is the repository's own sentence that refuses generated contributions, with its file.
    """

    plan: Plan | None
    reason: str = ""
    refusal: str = ""
    spend: Spend
    stopped: Stop | None = None
    shortfall: str = ""
    """What the next request would have taken, where money or tokens stopped the role."""


class ChangeResult(Value):
    """What coder and fixer hand over; `change` is None where the tree equals the base."""

    change: ChangeRef | None
    title: str = ""
    """One line that could head a commit; empty where the role was stopped before it answered."""
    summary: str = ""
    done: bool = True
    """False where its maker says that something asked for is missing."""
    unchecked: tuple[str, ...] = ()
    """What is not done or could not be checked, a sentence each."""
    spend: Spend
    stopped: Stop | None = None
    shortfall: str = ""


class ReviewerResult(Value):
    """`review` is None where the role was stopped before its verdict."""

    review: Review | None
    spend: Spend
    stopped: Stop | None = None
    shortfall: str = ""


class SetupResult(Value):
    """What a set-up turn found: commands that follow those of the rules, or why there are none."""

    commands: tuple[FolderCommand, ...] = ()
    reason: str = ""
    spend: Spend
    stopped: Stop | None = None


RoleResult = PlannerResult | ChangeResult | ReviewerResult | SetupResult
