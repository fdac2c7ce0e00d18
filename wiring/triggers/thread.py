"""What is known of a thread: an issue or a pull request that people ask for runs in."""

import time
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field

from forge.triggers import Act
from graph import CheckFailed, ReviewReceived, RunRequest
from graph.errors import StoreError
from runs.deliveries import Deliveries
from runs.model import Caller

READER: Final = Caller("triggers", operator=True)
"""Who reads the runs of threads."""
_UNTOLD_S: Final = 24 * 3600.0


class PendingStart(BaseModel):
    """A run that is about to be started: the same request, however often that is tried."""

    key: str
    owner: str
    request: RunRequest
    received: ReviewReceived | CheckFailed | None = None
    """The review that it goes on with, or the checks."""


class MessageReview(BaseModel):
    """A review that was a message to a run at work, and its comments at lines."""

    run_id: str
    message: int
    comments: list[int]


class Thread(BaseModel):
    """The record of a thread. `shown` is the text of our comment, `comment` its number."""

    model_config = ConfigDict(serialize_by_alias=True)

    repo: str
    number: int
    repository: int = 0
    """The repository's own number; 0: not known."""
    comment: int | None = None
    commenting: bool = False
    """Whether a comment may have been made whose number is not known."""
    commenting_at: float = 0
    """Since when, in Unix seconds."""
    shown: str = ""
    runs: list[str] = []
    """Those that were begun or steered here, newest last: the comment shows that one."""
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
    message_reviews: list[MessageReview] = Field(default=[], alias="told")
    """Reviews whose comments may get a thumb once their run has ended."""
    merged: bool | None = None
    """Whether the pull request was merged; None while it is open."""
    note: str = ""
    told_at: float = 0
    """When the comment was brought up to date last, in Unix seconds."""
    untold_since: float | None = None
    """When the comment could not be brought up to date for the first time in a row."""
    kept: dict[str, Any] | None = Field(default=None, exclude=True)
    """All of it as the store has it; None where that has nothing."""

    @property
    def name(self) -> str:
        return name_of(self.repo, self.number)

    @classmethod
    async def load(cls, deliveries: Deliveries, repo: str, number: int) -> Self:
        """The thread as it was kept; a new one where it was not."""
        kept = await deliveries.thread(name_of(repo, number))
        thread = cls.model_validate(kept) if kept else cls(repo=repo, number=number)
        thread.kept = kept
        return thread

    @classmethod
    async def load_for(cls, deliveries: Deliveries, act: Act) -> Self:
        """The thread that an act is in, kept by the name that its repository has now.

        One by an earlier name is found while it is looked after. Raises StoreError.
        """
        thread = await cls.load(deliveries, act.repo, act.number)
        if thread.kept is None and act.repository:
            number = f"#{act.number}"
            names = [each for each in await deliveries.live_threads() if each.endswith(number)]
            for name in names:
                if moved := await cls._move(deliveries, name, act):
                    thread = moved
                    break
        thread.repository = act.repository or thread.repository
        return thread

    @classmethod
    async def _move(cls, deliveries: Deliveries, name: str, act: Act) -> Self | None:
        """What an earlier name has, kept by the one of now; None where it is another's."""
        known = None
        while kept := await deliveries.thread(name):
            if kept.get("repository") != act.repository:
                break
            thread = cls.model_validate({**kept, "repo": act.repo})
            thread.kept = known
            await thread.keep(deliveries, live=True)
            if await deliveries.keep_thread(name, kept, time.time(), live=False, before=kept):
                return thread
            known = thread.kept  # another process has changed it meanwhile
        return None

    def take_over(self, person: str) -> None:
        """Somebody has acted: runs that begin by themselves are theirs, and counted anew."""
        self.owner, self.fixes = person, 0

    async def keep(self, deliveries: Deliveries, *, live: bool) -> None:
        """Raises StoreError, also where another process has kept it meanwhile."""
        told, known = self.model_dump(mode="json"), self.kept
        if not await deliveries.keep_thread(self.name, told, time.time(), live=live, before=known):
            raise StoreError(f"Another process works on {self.name}.")
        self.kept = told

    async def keep_untold(self, deliveries: Deliveries) -> None:
        """Keep it though its comment is not up to date. Raises StoreError.

        What cannot be told within a day, such as where the App was removed, is given up.
        """
        now = time.time()
        self.untold_since = self.untold_since or now
        await self.keep(deliveries, live=now - self.untold_since < _UNTOLD_S)


async def merged_of(deliveries: Deliveries, repo: str) -> frozenset[int]:
    """Numbers of the pull requests of OWNER/NAME that deliveries told to be merged."""
    threads = map(Thread.model_validate, await deliveries.threads_of(name_of(repo, 0)[:-1]))
    return frozenset(thread.number for thread in threads if thread.merged)


def name_of(repo: str, number: int) -> str:
    return f"{repo.lower()}#{number}"
