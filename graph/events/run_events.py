"""What a run says of itself while it works: one frozen model a type.

An event's `key` names what it reports within its run, so that saying it again after a resume adds
nothing. The log adds `seq`, `runId` and `time`.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, JsonValue, TypeAdapter

from graph.environment import EnvironmentCommand, LeftOut, ServicePort
from graph.events.act_events import (
    CancelRequested,
    LimitsRaised,
    MessageAnswered,
    MessageRead,
    MessageReceived,
    PlanAnswered,
)
from graph.events.event_base import EventBase
from graph.events.forge_events import CheckFailed, ReviewReceived
from graph.publication import GateFinding
from graph.spending import Usage, Usd
from graph.values import (
    ChangedFile,
    CheckStatus,
    CommandReport,
    Failure,
    FinalStatus,
    Finding,
    NodeName,
    Plan,
    ProofTest,
    RoleName,
    ValidationFinding,
    Value,
    Verdict,
)

NodeOutcome = Literal[
    "ok",
    "passed",
    "failed",
    "unavailable",
    "approved",
    "request_changes",
    "revised",
    "rejected",
    "no_changes",
    "stopped",
    "error",
]


class RunQueued(EventBase):
    type: Literal["run.queued"] = "run.queued"
    position: int


class RunStarted(EventBase):
    always = ("baseBranch",)
    type: Literal["run.started"] = "run.started"
    repo_url: str
    prompt: str
    base_branch: str | None = None
    pull_request: str | None = None
    parent_run_id: str | None = None
    base_sha: str | None = None
    models: dict[RoleName, str]
    unpriced: tuple[str, ...] | None = None
    """Models whose price is not known: the run is held to tokens alone."""
    version: str
    attempt: int


class RunResumed(EventBase):
    """Another attempt; `by` where somebody asked for it."""

    type: Literal["run.resumed"] = "run.resumed"
    attempt: int
    reason: str
    by: str | None = None


class NodeStarted(EventBase):
    type: Literal["node.started"] = "node.started"
    node: NodeName
    visit: int


class NodeFinished(EventBase):
    type: Literal["node.finished"] = "node.finished"
    node: NodeName
    visit: int
    outcome: NodeOutcome
    duration_ms: int
    notes: tuple[str, ...] | None = None
    """What `prepare` found that a reader should know, a sentence each."""
    base_sha: str | None = None
    """The commit that `prepare` found the run's branch at."""


class RoleText(EventBase):
    type: Literal["role.text"] = "role.text"
    role: RoleName
    text: str


class RoleThinking(EventBase):
    type: Literal["role.thinking"] = "role.thinking"
    role: RoleName
    text: str


class ToolStarted(EventBase):
    type: Literal["tool.started"] = "tool.started"
    role: RoleName
    call_id: str
    tool: str
    input: JsonValue


class ToolFinished(EventBase):
    type: Literal["tool.finished"] = "tool.finished"
    role: RoleName
    call_id: str
    ok: bool
    output: str
    exit_code: int | None = None
    duration_ms: int


class PlanReady(EventBase):
    type: Literal["plan.ready"] = "plan.ready"
    plan_id: str
    plan: Plan


class PlanWaiting(EventBase):
    type: Literal["plan.waiting"] = "plan.waiting"
    plan_id: str
    plan: Plan


class EnvironmentReady(EventBase):
    """What makes the trees of a run ready; `kept`: it was there from before."""

    type: Literal["environment.ready"] = "environment.ready"
    commands: tuple[EnvironmentCommand, ...]
    left_out: tuple[LeftOut, ...]
    tools: dict[str, str]
    services: tuple[ServicePort, ...] = ()
    kept: bool
    maker: str = ""


class _ChecksFinished(EventBase):
    status: CheckStatus
    commands: tuple[CommandReport, ...]
    new_failures: tuple[str, ...]
    known_failures: tuple[str, ...]
    flaky: tuple[str, ...] = ()
    findings: tuple[ValidationFinding, ...] = ()

    def data(self) -> dict[str, Any]:
        data = super().data()
        for command in data["commands"]:
            command.setdefault("exitCode", None)
        return data


class ValidationFinished(_ChecksFinished):
    type: Literal["validation.finished"] = "validation.finished"


class BaselineFinished(_ChecksFinished):
    """The checks on the untouched base; `kept`: from an earlier run on the same files."""

    type: Literal["baseline.finished"] = "baseline.finished"
    kept: bool = False


class ProofFinished(EventBase):
    """The tests that a change adds or edits, over the base's sources and over the change's."""

    type: Literal["proof.finished"] = "proof.finished"
    tests: tuple[ProofTest, ...]
    shown: bool
    not_tried: tuple[str, ...] = ()


class ReviewFinished(EventBase):
    type: Literal["review.finished"] = "review.finished"
    verdict: Verdict
    summary: str = ""
    findings: tuple[Finding, ...]


class ChangeUpdated(EventBase):
    """The newest change; `baseSha` where it was put onto a newer commit of the base branch."""

    type: Literal["change.updated"] = "change.updated"
    digest: str
    base_sha: str | None = None
    files: tuple[ChangedFile, ...]


class GateFinished(EventBase):
    type: Literal["gate.finished"] = "gate.finished"
    passed: bool
    findings: tuple[GateFinding, ...]


class UsageReported(EventBase):
    """Tokens and money of one request; `costUsd` is null where the model's price is unknown.

    `replies` is 1, or 0 where the request was paid for and brought no whole reply. `reckoned` is
    true where nobody saw its end: the tokens are the most that it can have used.
    """

    type: Literal["usage"] = "usage"
    role: RoleName
    model: str
    usage: Usage
    cost_usd: Usd | None
    run_cost_usd: Usd | None
    replies: int = 1
    reckoned: bool = False

    def data(self) -> dict[str, Any]:
        return {
            "type": self.type,
            "role": self.role,
            "model": self.model,
            **self.usage.model_dump(),
            "costUsd": self.cost_usd,
            "runCostUsd": self.run_cost_usd,
            "replies": self.replies,
            "reckoned": self.reckoned,
        }


class Retry(EventBase):
    type: Literal["retry"] = "retry"
    what: str
    attempt: int
    wait_ms: int
    reason: str


class PrCreated(EventBase):
    always = ("url", "number")
    type: Literal["pr.created"] = "pr.created"
    url: str | None
    number: int | None
    branch: str
    draft: bool
    head_repo: str | None = None


class PrUpdated(EventBase):
    always = ("url", "number")
    type: Literal["pr.updated"] = "pr.updated"
    url: str | None
    number: int | None
    branch: str
    draft: bool
    head_repo: str | None = None


class PublishedChange(Value):
    """Where a change was published; `url` and `number` are None for a local branch."""

    url: str | None
    number: int | None
    branch: str
    draft: bool


class RunFinished(EventBase):
    """An attempt's end. `prUrl` and `branch` are also in `pr`, as everywhere.

    `explanation` says in a role's words why there is nothing to change, which sentence of the
    repository refuses such contributions, or what the next request would have taken of a budget
    that is spent.
    """

    type: Literal["run.finished"] = "run.finished"
    attempt: int
    status: FinalStatus
    reason: str | None = None
    explanation: str | None = None
    pr_url: str | None = None
    branch: str | None = None
    patch: str | None = None
    pushable: bool | None = None
    """Of a local run: whether the checkout's `origin` is on another machine."""
    includes_uncommitted: bool | None = None
    """Of a local run: whether the branch begins with what the checkout has not committed."""
    usage: Usage
    cost_usd: Usd | None
    pr: PublishedChange | None = None
    error: Failure | None = None

    def data(self) -> dict[str, Any]:
        pr = self.pr.model_dump() if self.pr else None
        return {**super().data(), "costUsd": self.cost_usd, "pr": pr}


Event: TypeAlias = (
    RunQueued
    | RunStarted
    | RunResumed
    | PlanAnswered
    | CancelRequested
    | LimitsRaised
    | MessageReceived
    | MessageRead
    | MessageAnswered
    | ReviewReceived
    | CheckFailed
    | NodeStarted
    | NodeFinished
    | RoleText
    | RoleThinking
    | ToolStarted
    | ToolFinished
    | PlanReady
    | PlanWaiting
    | EnvironmentReady
    | BaselineFinished
    | ValidationFinished
    | ProofFinished
    | ReviewFinished
    | ChangeUpdated
    | GateFinished
    | UsageReported
    | Retry
    | PrCreated
    | PrUpdated
    | RunFinished
)
EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="type")])
Emit = Callable[[Event], None]


def unheard(_: object) -> None:
    """An `emit` where nobody listens."""
