"""What people do to a run, and what becomes of their messages, as events."""

from typing import Literal

from graph.events.event_base import EventBase
from graph.values import Decision, RoleName


class PlanAnswered(EventBase):
    """What somebody answered to the waiting plan."""

    type: Literal["plan.answered"] = "plan.answered"
    plan_id: str
    decision: Decision
    feedback: str | None = None
    by: str


class CancelRequested(EventBase):
    type: Literal["cancel.requested"] = "cancel.requested"
    by: str


class LimitsRaised(EventBase):
    """Limits that the run gets from here on; the others stay."""

    type: Literal["limits.raised"] = "limits.raised"
    max_cost_usd: float | None = None
    max_fix_rounds: int | None = None
    timeout_s: int | None = None
    by: str


class MessageReceived(EventBase):
    """A message to the run's roles, which waits to be read."""

    type: Literal["message.received"] = "message.received"
    number: int
    text: str
    by: str


class MessageRead(EventBase):
    """A role has the message in what it answers next."""

    type: Literal["message.read"] = "message.read"
    number: int
    role: RoleName


class MessageAnswered(EventBase):
    """The first whole reply of a role that had read the message is there."""

    type: Literal["message.answered"] = "message.answered"
    number: int
    role: RoleName
