"""One run as the store keeps it: its record, its lease, and where its log stands."""

import time
from typing import Any, Final

from pydantic import Field

from graph import (
    FINAL_STATUSES,
    Approval,
    CheckStatus,
    NodeFinished,
    NodeName,
    NodeOutcome,
    PublishedChange,
    RunRequest,
    Spend,
    Status,
    Usage,
    Value,
    Verdict,
)
from runs.model.clocks import CLOCKS_DIFFER_S
from runs.model.run_record import RunRecord

FREE_PICKUPS: Final = 2
"""Pick-ups in a row without gain that come at once."""
LONGEST_PAUSE_S: Final = 3600.0
FURTHEST_S: Final = LONGEST_PAUSE_S + CLOCKS_DIFFER_S
"""None waits for longer but by a clock that was set back."""
_FROM_OUTSIDE: Final = frozenset(
    ("plan.answered", "cancel.requested", "limits.raised", "message.received")
)
"""Types of events that are no work of the run's."""
PICK_UP: Final = "pick-up"
"""What a `retry` event says was tried again."""
STATE_VERSION: Final = 1
"""Of the graph's state in checkpoints; another one's runs cannot be carried on."""
RESUMABLE: Final[frozenset[Status]] = FINAL_STATUSES - {"succeeded", "no_changes", "rejected"}


class Lease(Value):
    """The right to drive a run. `token` is one drive's; without one, a process has only asked."""

    service: str
    token: str
    until: float


class Answer(Value):
    """The caller's answer to one plan, kept until the graph has taken it."""

    plan_id: str
    approval: Approval


class OpenNode(Value):
    """A node that has started and not finished."""

    node: NodeName
    visit: int
    since: float
    worked_s: float | None = None
    """Seconds by the monotonic clock of its driver, as that last said; a wall clock may be set."""

    def finished(self, outcome: NodeOutcome, now: float) -> NodeFinished:
        seconds = max(0.0, now - self.since) if self.worked_s is None else self.worked_s
        return NodeFinished(
            key=f"finished:{self.node}:{self.visit}",  # by one driver, or by the one after it
            node=self.node,
            visit=self.visit,
            outcome=outcome,
            duration_ms=round(seconds * 1000),
        )


class Run(Value):
    """Everything of a run that decisions are made on. Times are Unix seconds."""

    run_id: str
    order_id: str = ""
    """What runs are listed by, where the run's id was not made here."""
    called_from_python: bool = False
    """A program calls the graph: only it can carry the run on, from checkpoints of its own."""
    owner: str
    request: RunRequest
    status: Status = "queued"
    node: str | None = None
    attempt: int = 1
    created_at: float = Field(default_factory=time.time)
    updated_at: float = Field(default_factory=time.time)
    queued_at: float = Field(default_factory=time.time)
    last_seq: int = 0
    begun: bool = False
    """`run.started` is in the log."""
    resumed_as: int = 0
    """The newest attempt that the caller began by a resume; the graph's state says if it knows."""
    cancelling: bool = False
    lease: Lease | None = None
    plan_id: str | None = None
    """The plan that waits for an answer."""
    answer: Answer | None = None
    open_node: OpenNode | None = None
    visits: dict[str, int] = Field(default_factory=dict)
    spend: Spend = Spend()
    pr_url: str | None = None
    branch: str | None = None
    pr_number: int | None = None
    pr_draft: bool = False
    published_at: float | None = None
    """When its first pull request, or branch, was told."""
    reason: str | None = None
    """Why the newest attempt ended so, as a stable code."""
    validation: CheckStatus | None = None
    """How the checks ended on the newest change."""
    verdict: Verdict | None = None
    """What the reviewer said of the newest change."""
    idle_pickups: int = 0
    """Pick-ups in a row after which nothing was done."""
    not_before: float = 0.0
    """Until then nobody picks it up: it may be what its processes were lost of."""
    messages: int = 0
    message_calls: dict[str, int] = Field(default_factory=dict)
    """Numbers of the newest messages, by the calls that brought them."""
    steered_by: tuple[str, ...] = ()
    """The newest calls that answered its plan or carried it on."""
    fence: int = 0
    """The number of the newest role call, where the run's folder cannot tell at once."""
    state_version: int = STATE_VERSION

    @property
    def order(self) -> str:
        """Newer runs have greater ones."""
        return self.order_id or self.run_id

    @property
    def is_suspect(self) -> bool:
        """Whether this run may be what its processes were lost of."""
        return self.idle_pickups > FREE_PICKUPS

    def is_postponed(self, now: float) -> bool:
        """Whether it is not to be picked up yet; a clock that was set back postpones nothing."""
        return 0 < self.not_before - now <= FURTHEST_S

    @property
    def final(self) -> bool:
        return self.status in FINAL_STATUSES

    @property
    def pr(self) -> PublishedChange | None:
        """Where the change was published."""
        if self.branch is None:
            return None
        return PublishedChange(
            url=self.pr_url, number=self.pr_number, branch=self.branch, draft=self.pr_draft
        )

    @property
    def changed_pull(self) -> int | None:
        """The number of the pull request that has its change; a review alone changes none."""
        return None if self.request.get("review_only") else self.pr_number

    @property
    def record(self) -> RunRecord:
        return RunRecord(
            run_id=self.run_id,
            owner=self.owner,
            status=self.status,
            node=self.node,
            attempt=self.attempt,
            request=self.request,
            created_at=self.created_at,
            updated_at=self.updated_at,
            last_seq=self.last_seq,
            reason=self.reason if self.final else None,
            cost_usd=self.spend.cost_usd,
            validation=self.validation,
            verdict=self.verdict,
            pr=self.pr,
        )

    def is_held(self, now: float, dead_services: frozenset[str]) -> bool:
        """Whether this run is a living process's to drive; `gone` are services that have ended."""
        lease = self.lease
        return lease is not None and lease.until > now and lease.service not in dead_services

    def is_driven(self, now: float, dead_services: frozenset[str]) -> bool:
        """Whether a living process drives this run."""
        return self.is_held(now, dead_services) and bool(self.lease and self.lease.token)

    def replace(self, **changes: Any) -> "Run":
        """A copy with `changes`."""
        return self.model_copy(update=changes)

    def after(self, event: dict[str, Any], now: float) -> "Run":
        """This run once `event` is in its log."""
        kind = event["type"]
        if kind == "node.started":
            opened = OpenNode(node=event["node"], visit=event["visit"], since=now)
            visits = {**self.visits, opened.node: opened.visit}
            return self.replace(node=opened.node, open_node=opened, visits=visits)
        if kind == "node.finished":
            idle = self.idle_pickups if event["outcome"] == "stopped" else 0
            return self.replace(open_node=None, idle_pickups=idle)
        if kind == "usage":
            idle = self.idle_pickups if event.get("reckoned") else 0
            return self.replace(spend=self.spend + spend_of(event), idle_pickups=idle)
        if kind == "run.finished":
            return self.replace(reason=reason_of(event))
        picked_up = kind == "retry" and event["what"] == PICK_UP
        idle = kind.startswith("run.") or kind in _FROM_OUTSIDE or picked_up
        return self if idle else self.replace(idle_pickups=0, **self._found(event, now))

    def _found(self, event: dict[str, Any], now: float) -> dict[str, Any]:
        """What an event changes of what is known of the run's work."""
        kind = event["type"]
        if kind in ("pr.created", "pr.updated"):
            return {
                "pr_url": event.get("url"),
                "pr_number": event.get("number"),
                "pr_draft": event.get("draft", False),
                "branch": event["branch"],
                "published_at": None
                if self.request.get("review_only")
                else self.published_at or now,
            }
        if kind == "change.updated":
            return {"validation": None, "verdict": None}
        if kind == "validation.finished":
            return {"validation": event["status"]}
        return {"verdict": event["verdict"]} if kind == "review.finished" else {}


def reason_of(finished: dict[str, Any]) -> str | None:
    """Why a `run.finished` came: its reason, or the code of its error."""
    return finished.get("reason") or (finished.get("error") or {}).get("code")


def spend_of(event: dict[str, Any]) -> Spend:
    """What a `usage` event adds; a turn is a whole reply."""
    turns = event.get("replies", 1)
    return Spend(usage=Usage.model_validate(event), cost_usd=event["costUsd"], turns=turns)
