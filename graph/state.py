"""The state of the graph: the request's own keys and what the nodes found."""

from collections.abc import Mapping
from typing import Any, NotRequired, Required

from pydantic import Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from graph.errors import InvalidRequest
from graph.values import (
    Approval,
    Base,
    Change,
    Check,
    Failure,
    GateReport,
    Outcome,
    Plan,
    PullRequest,
    Review,
    Settled,
    Spend,
    Stopped,
    Validation,
    Value,
)


class RunRequest(TypedDict):
    """The graph's input. `repo_url` is an address below the configured host, or here a local path.

    `max_cost_usd` in US dollars, `timeout_s` in seconds; both lower the configured limits.
    """

    repo_url: Required[str]
    prompt: Required[str]
    base_branch: NotRequired[str | None]
    setup: NotRequired[list[str]]
    validate: NotRequired[list[str]]
    validate_only: NotRequired[bool]
    approve_plan: NotRequired[bool]
    draft: NotRequired[bool]
    title: NotRequired[str | None]
    labels: NotRequired[list[str]]
    reviewers: NotRequired[list[str]]
    allow: NotRequired[list[str]]
    max_cost_usd: NotRequired[float | None]
    max_tokens: NotRequired[int | None]
    max_fix_rounds: NotRequired[int | None]
    timeout_s: NotRequired[int | None]
    model: NotRequired[str | None]
    requested_by: NotRequired[str]


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

    run_id: str
    attempt: int
    """The one that the newest resume command began; absent before the first."""
    limits: Limits
    base: Base
    branch: str
    checks: list[Check]
    """All that were found; `checks_of` picks those that are near the change."""
    tree_setup: list[str]
    """What makes a new tree ready: the request's commands, then the repository's own."""
    deadline: float
    """Unix seconds; moved on by the time a plan waited."""
    planned_at: float
    plan: Plan | None
    plan_id: str
    approval: Approval | None
    step: int
    """Number of the newest role call that came back."""
    change: Change | None
    validation: Validation | None
    review: Review | None
    gate: GateReport | None
    settled: Settled | None
    """What may be published of before the newest move of the base, where there is no more time."""
    rounds: int
    spent: Spend
    spent_before: Spend
    """What was spent before the newest role call: a resumed call counts its own replies again."""
    stopped: Stopped | None
    pull_request: PullRequest | None
    outcome: Outcome | None
    failure: Failure | None


_REQUEST: TypeAdapter[RunRequest] = TypeAdapter(RunRequest)


def request_of(values: Mapping[str, Any]) -> RunRequest:
    """The request's own keys among the values, each of its type. Raises InvalidRequest."""
    given = {name: value for name, value in values.items() if value is not None}
    try:
        return _REQUEST.validate_python(given)
    except ValidationError as error:
        raise InvalidRequest(first_fault(error)) from None


def first_fault(error: ValidationError) -> str:
    """Where a value does not fit, and why; never the value."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}." if where else f"{first['msg']}."
