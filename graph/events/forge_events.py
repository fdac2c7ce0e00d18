"""What came back from the forge to a run, as events."""

from typing import Literal

from graph.events.event_base import EventBase
from graph.values import Value


class ReviewComment(Value):
    """What a review says at a line; `path` is empty for the review as a whole."""

    path: str = ""
    line: int | None = None
    text: str


class ReviewReceived(EventBase):
    """A review of the pull request that the run goes on with; only what its author `by` said."""

    type: Literal["review.received"] = "review.received"
    by: str
    comments: tuple[ReviewComment, ...]


class FailedJob(Value):
    """A check that failed; `url` is where the forge shows it, empty where nowhere."""

    name: str
    url: str = ""


class CheckFailed(EventBase):
    """Checks that failed on the commit `head` of the pull request that the run goes on with."""

    type: Literal["check.failed"] = "check.failed"
    head: str
    jobs: tuple[FailedJob, ...]
