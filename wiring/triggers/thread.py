"""What is known of a thread: an issue or a pull request that people ask for runs in."""

import time
from typing import Self

from pydantic import BaseModel

from graph import CheckFailed, ReviewReceived, RunRequest
from runs.deliveries import Deliveries


class PendingStart(BaseModel):
    """A run that is about to be started: the same request, however often that is tried."""

    key: str
    owner: str
    request: RunRequest
    received: ReviewReceived | CheckFailed | None = None
    """The review that it goes on with, or the checks."""


class Thread(BaseModel):
    """The record of a thread. `shown` is the text of our comment, `comment` its number."""

    repo: str
    number: int
    comment: int | None = None
    commenting: bool = False
    """Whether a comment may have been made whose number is not known."""
    shown: str = ""
    runs: list[str] = []
    """Newest last."""
    begun: list[str] = []
    """Keys of the acts that began these runs: one that comes again begins and says nothing."""
    pending: PendingStart | None = None
    owner: str = ""
    """Of the runs that go on by themselves: who asked last."""
    fixes: int = 0
    """How many runs have begun by themselves since a person acted last."""
    fixed_head: str = ""
    """The newest whose checks were fixed, `merged_head` with which the base was merged."""
    merged_head: str = ""
    rerun_head: str = ""
    """The newest whose failed checks are run once more; `rerun` are these, by their numbers."""
    rerun: list[int] = []
    rerun_at: float = 0
    rerun_asked: bool = False
    merged: bool | None = None
    """Whether the pull request was merged; None while it is open."""
    note: str = ""
    told_at: float = 0
    """When the comment was brought up to date last, in Unix seconds."""
    untold_since: float | None = None
    """When the comment could not be brought up to date for the first time in a row."""

    @property
    def name(self) -> str:
        return name_of(self.repo, self.number)

    @classmethod
    async def load(cls, deliveries: Deliveries, repo: str, number: int) -> Self:
        """The thread as it was kept; a new one where it was not."""
        kept = await deliveries.thread(name_of(repo, number))
        return cls.model_validate(kept) if kept else cls(repo=repo, number=number)

    def take_over(self, person: str) -> None:
        """Somebody has acted: runs that begin by themselves are theirs, and counted anew."""
        self.owner, self.fixes = person, 0

    async def keep(self, deliveries: Deliveries, *, live: bool) -> None:
        await deliveries.keep_thread(self.name, self.model_dump(), time.time(), live=live)


async def merged_of(deliveries: Deliveries, repo: str) -> frozenset[int]:
    """Numbers of the pull requests of OWNER/NAME that deliveries told to be merged."""
    threads = map(Thread.model_validate, await deliveries.threads_of(name_of(repo, 0)[:-1]))
    return frozenset(thread.number for thread in threads if thread.merged)


def name_of(repo: str, number: int) -> str:
    return f"{repo.lower()}#{number}"
