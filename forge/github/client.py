"""GitHub's API by PyGithub. Blocking calls run in threads; PyGithub is imported at first use."""

import asyncio
import json
import threading
import time
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeVar

from pydantic import SecretStr

from forge.core.retry import TransientError, retry_transient
from forge.github.api_errors import Refusal, Unprocessable
from graph import Emit, RetryPolicy, SecretForms, unheard
from graph.errors import (
    CodingAgentError,
    GitHubRejected,
    GitHubUnauthorized,
    GitHubUnavailable,
)

if TYPE_CHECKING:
    import github as pygithub
    from github.PullRequest import PullRequest
    from github.Repository import Repository

T = TypeVar("T")

API_VERSION: Final = "2022-11-28"
ONCE: Final = RetryPolicy(attempts=1)
_FINISH_S: Final = 1.5
"""How long a write that is under way may go on after its run was cancelled."""


@dataclass(frozen=True)
class RepositoryFacts:
    """What GitHub says of a repository to whoever holds the token."""

    number: int
    """Its own for as long as it exists, whatever its name is."""
    full_name: str
    default_branch: str
    archived: bool
    private: bool
    push: bool


@dataclass(frozen=True)
class Account:
    login: str
    id: int

    @property
    def author(self) -> str:
        """`Name <email>` that GitHub links to the account."""
        return f"{self.login} <{self.id}+{self.login}@users.noreply.github.com>"


@dataclass(frozen=True)
class Pull:
    number: int
    url: str
    draft: bool


@dataclass(frozen=True)
class PullText:
    title: str
    body: str


class GitHub:
    """One account's view of GitHub. Every failure is one of `graph.errors`.

    Reads are repeated. Writes are made once and raise TransientError or Unprocessable where their
    caller can go on: see `forge.github.pull_requests`.
    """

    def __init__(
        self,
        *,
        api_url: str,
        token: SecretStr | None,
        retry_policy: RetryPolicy | None = None,
        timeout_s: int = 15,
        seconds_between_writes: float | None = 1.0,
    ) -> None:
        self._api_url = api_url.rstrip("/")
        self._token = token
        self._forms = SecretForms(token)
        self.retry_policy = retry_policy or RetryPolicy()
        self._timeout_s = timeout_s
        self._between_writes = seconds_between_writes
        self._opening = threading.Lock()
        self._opened: pygithub.Github | None = None
        self._account: Account | None = None

    async def open(self) -> None:
        """Import PyGithub ahead of its first use."""
        await asyncio.to_thread(self._client)

    async def patient(self, deadline: float) -> "GitHub":
        """The same account, which waits for what GitHub asks to wait for until `deadline`."""
        await self.open()
        twin = copy(self)
        left_s = max(self.retry_policy.total_s, deadline - time.time())
        twin.retry_policy = replace(self.retry_policy, total_s=left_s)
        return twin

    async def close(self) -> None:
        """Close the connections."""
        if self._opened:
            await asyncio.to_thread(self._opened.close)

    async def probe(self) -> str:
        """`ok`, or the code of the error that a call meets. Changes nothing, waits for nothing."""
        if self._token is None:
            return GitHubUnauthorized.code
        try:
            await self._read("the account", self._get_account, unheard, ONCE)
        except CodingAgentError as error:
            return error.code
        return "ok"

    async def account(
        self, emit: Emit = unheard, retry_policy: RetryPolicy | None = None
    ) -> Account:
        """Whose token this is; asked once."""
        if self._account is None:
            self._account = await self._read("the account", self._get_account, emit, retry_policy)
        return self._account

    async def repository(
        self, full_name: str, emit: Emit = unheard, retry_policy: RetryPolicy | None = None
    ) -> RepositoryFacts:
        """The repository, under its present name. Raises RepositoryNotFound, GitHubError."""

        def get() -> RepositoryFacts:
            return _facts(self._named(full_name))

        return await self._read(full_name, get, emit, retry_policy)

    async def find_pull(
        self, full_name: str, base: str, head: str, emit: Emit = unheard
    ) -> Pull | None:
        """The open pull request from `head`, a branch or a fork's `OWNER:BRANCH`, to `base`."""
        label = head if ":" in head else f"{full_name.partition('/')[0]}:{head}"

        def find() -> Pull | None:
            pulls = self._named(full_name).get_pulls("open", base=base, head=label)
            same = (pull for pull in pulls if str(pull.head.label).lower() == label.lower())
            return next((_pull(pull) for pull in same), None)

        return await self._read("the pull requests", find, emit)

    async def create_pull(
        self, full_name: str, base: str, head: str, text: PullText, *, draft: bool
    ) -> Pull:
        """Open a pull request."""

        def create() -> Pull:
            made = self._named(full_name).create_pull(
                base, head, title=text.title, body=text.body, draft=draft
            )
            return _pull(made)

        return await self._write("a pull request", create)

    async def edit_pull(self, full_name: str, number: int, text: PullText) -> Pull:
        """Replace a pull request's title and body."""

        def edit() -> Pull:
            pull = self._named(full_name).get_pull(number)
            pull.edit(title=text.title, body=text.body)
            return _pull(pull)

        return await self._write("the pull request", edit)

    async def mark_ready(self, full_name: str, number: int) -> None:
        """Take a pull request out of its draft state."""

        def mark() -> None:
            self._named(full_name).get_pull(number).mark_ready_for_review()

        await self._write("the pull request's draft state", mark)

    async def add_labels(self, full_name: str, number: int, labels: tuple[str, ...]) -> None:
        """Add labels to a pull request; GitHub makes those that are new."""

        def add() -> None:
            self._named(full_name).get_pull(number).add_to_labels(*labels)

        await self._write("the labels", add)

    async def request_reviewers(
        self, full_name: str, number: int, reviewers: tuple[str, ...]
    ) -> None:
        """Ask people, and teams named `ORG/TEAM`, for a review."""
        teams = [name.partition("/")[2] for name in reviewers if "/" in name]
        people = [name for name in reviewers if "/" not in name]

        def ask() -> None:
            pull = self._named(full_name).get_pull(number)
            pull.create_review_request(reviewers=people, team_reviewers=teams)

        await self._write("the reviewers", ask)

    async def create_fork(self, full_name: str) -> str:
        """Ask for the account's fork; GitHub answers with the one that is there already."""

        def create() -> str:
            made = self._named(full_name).create_fork(default_branch_only=True)
            return str(made.full_name)

        return await self._write(f"a fork of {full_name}", create)

    async def create_branch(self, full_name: str, branch: str, sha: str) -> None:
        """Make a branch at a commit."""

        def create() -> None:
            self._named(full_name).create_git_ref(f"refs/heads/{branch}", sha)

        await self._write(f"a branch in {full_name}", create)

    def _client(self) -> "pygithub.Github":
        with self._opening:
            return self._opened or self._open()

    def _open(self) -> "pygithub.Github":
        import github as pygithub  # takes a quarter of a second

        auth = pygithub.Auth.Token(self._token.get_secret_value()) if self._token else None
        self._opened = pygithub.Github(
            base_url=self._api_url,
            auth=auth,
            timeout=self._timeout_s,
            api_version=API_VERSION,
            retry=None,
            lazy=True,
            seconds_between_requests=None,
            seconds_between_writes=self._between_writes,
        )
        return self._opened

    def _named(self, full_name: str) -> "Repository":
        """The repository; asked for when something of it is read."""
        return self._client().get_repo(full_name)

    def _get_account(self) -> Account:
        user = self._client().get_user()
        return Account(str(user.login), int(user.id))

    async def _read(
        self, what: str, call: Callable[[], T], emit: Emit, retry_policy: RetryPolicy | None = None
    ) -> T:
        async def attempt() -> T:
            try:
                return await asyncio.to_thread(self._mapped, what, call)
            except Unprocessable as refused:
                raise refused.error from None

        return await retry_transient(
            attempt, what="GitHub", emit=emit, policy=retry_policy or self.retry_policy
        )

    async def _write(self, what: str, call: Callable[[], T]) -> T:
        """One write, which goes on to its end for a moment where the run is cancelled."""
        task = asyncio.ensure_future(asyncio.to_thread(self._mapped, what, call))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait([task], timeout=_FINISH_S)
            raise

    def _mapped(self, what: str, call: Callable[[], T]) -> T:
        """The call's result, or one of ours for whatever PyGithub and what is below it raise."""
        import github as pygithub
        from urllib3.exceptions import HTTPError

        try:
            return call()
        except pygithub.GithubException as error:
            limited = isinstance(error, pygithub.RateLimitExceededException)
            refusal = Refusal.read(error.status, error.data, error.headers, limited=limited)
            raise self._refused(what, refusal) from None
        except (json.JSONDecodeError, OSError, HTTPError) as error:
            raise _unanswered(what, error) from None
        except (pygithub.BadAttributeException, ValueError, RuntimeError, AssertionError) as error:
            raise _misfit(what, error) from None
        except (TypeError, AttributeError, LookupError) as error:
            raise _misfit(what, error) from None

    def _refused(self, what: str, refusal: Refusal) -> Exception:
        error = refusal.error(what)
        error = type(error)(self._forms.hide(error.message), error.hint)
        if refusal.transient:
            return TransientError(error, reason=refusal.reason, asked_s=refusal.wait_s)
        return Unprocessable(error, refusal.fields) if refusal.status == 422 else error


def _unanswered(what: str, error: Exception) -> Exception:
    """No answer, or half of one. What could not even be sent will not go right later."""
    if isinstance(error, ValueError) and not isinstance(error, json.JSONDecodeError):
        return _misfit(what, error)
    name = type(error).__name__
    ours = GitHubUnavailable(f"GitHub gave no whole answer when asked for {what} ({name}).")
    return TransientError(ours, reason=name)


def _misfit(what: str, error: Exception) -> GitHubRejected:
    """What was asked or answered is not GitHub's API; the error's own text may hold the token."""
    return GitHubRejected(
        f"The call for {what} does not fit GitHub's API ({type(error).__name__}).",
        "Check GITHUB_API_URL and GITHUB_TOKEN.",
    )


def _facts(repository: "Repository") -> RepositoryFacts:
    told = repository.raw_data
    return RepositoryFacts(
        number=int(told["id"]),
        full_name=str(told["full_name"]),
        default_branch=str(told["default_branch"]),
        archived=bool(told["archived"]),
        private=bool(told["private"]),
        push=bool(told.get("permissions", {}).get("push")),
    )


def _pull(pull: "PullRequest") -> Pull:
    return Pull(number=int(pull.number), url=str(pull.html_url), draft=bool(pull.draft))
