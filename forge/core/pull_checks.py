"""What a forge's checks say of a pull request."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class CheckRun:
    """One check of one commit; `job` is its number where it has a log that can be read.

    `run` is the run of the forge's own automation that it is a job of, which can be run again.
    One that was cancelled, or waits for a person, has neither failed nor passed. Another try of it
    has another `number`.
    """

    name: str
    url: str
    ended: bool
    failed: bool
    job: int | None = None
    passed: bool = False
    number: int = 0
    run: int | None = None


@dataclass(frozen=True)
class CommitAuthor:
    """Who a commit says has made it; `login` is empty where the forge knows no such account."""

    login: str
    email: str


@dataclass(frozen=True)
class PullState:
    """A pull request as it stands; `checks` are those of its `head`, a commit's hash."""

    number: int
    open: bool
    merged: bool
    author: str
    head: str
    base_branch: str
    updated_at: str = ""
    """Changes with each comment, review and push."""
    base_sha: str = ""
    """A commit of the branch that it goes to, as far as the forge has compared the two."""
    mergeable: bool | None = None
    """Whether it merges without a conflict; None while the forge does not know."""
    checks: tuple[CheckRun, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether every check has come to its end, and there is one."""
        return bool(self.checks) and all(each.ended for each in self.checks)

    @property
    def failed(self) -> tuple[CheckRun, ...]:
        return tuple(each for each in self.checks if each.failed)

    @property
    def passed(self) -> tuple[CheckRun, ...]:
        return tuple(each for each in self.checks if each.passed)


class PullChecks(Protocol):
    """One account's view of checks. `full_name` is OWNER/NAME.

    Every method raises ForgeError or RepositoryError.
    """

    async def pull_state(self, full_name: str, number: int) -> PullState:
        """The pull request, and the checks of its head.

        What has not changed since it was asked for last costs nothing of a rate limit.
        """
        ...

    async def open_pulls(self, full_name: str, base: str, author: str) -> list[int]:
        """An account's open pull requests to a branch, of the newest hundred."""
        ...

    async def pulls_of_commit(self, full_name: str, commit: str, author: str) -> list[int]:
        """An account's open pull requests that hold a commit, of the first hundred."""
        ...

    async def commit_author(self, full_name: str, commit: str) -> CommitAuthor:
        """The author of a commit."""
        ...

    async def checks_of(self, full_name: str, commit: str) -> tuple[CheckRun, ...]:
        """The newest checks of a commit or a branch, commit statuses among them.

        Those that show receipts are left out.
        """
        ...

    async def run_failed_again(self, full_name: str, run: int) -> bool:
        """Have the jobs of a run that failed run once more; False where that is not permitted."""
        ...

    async def workflows_wait(self, full_name: str, commit: str) -> bool | None:
        """Whether a workflow of a commit waits for an approval; None where none is there yet."""
        ...

    async def job_log(self, full_name: str, job: int) -> str:
        """The end of a job's log as it was printed; empty where it cannot be read."""
        ...
