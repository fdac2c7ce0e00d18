"""GitHub as the forge of the product: what is asked of its API, and its answers as our values."""

import asyncio
import logging
import time
from collections.abc import Awaitable
from copy import copy
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final, Self, Unpack

from pydantic import SecretStr

from forge.core.forge import (
    ONCE,
    Account,
    Forge,
    MergedPull,
    Pull,
    PullFacts,
    PullText,
    RepositoryFacts,
    ReviewText,
    Target,
)
from forge.core.retry import TransientError, Unprocessable, retry_transient
from forge.github.account import (
    UNKNOWN,
    read_bot,
    read_installed,
    read_own_author,
    read_own_repositories,
    read_signing_keys,
    read_user,
)
from forge.github.answers import (
    read_facts,
    read_merged_pulls,
    read_names,
    read_pull,
    read_pull_facts,
)
from forge.github.api_errors import explain_no_pull
from forge.github.branch_rules import GitHubRules
from forge.github.branches import GitHubBranches
from forge.github.connection import ConnectionOptions, send
from forge.github.conversations import GitHubConversations
from forge.github.hook_deliveries import GitHubDeliveries
from forge.github.own_checks import GitHubOwnChecks
from forge.github.pull_checks import GitHubChecks
from forge.github.push_rejection import explain_push_rejection
from forge.github.workflow import explain_workflow
from graph import Emit, RetryPolicy, unheard
from graph.errors import (
    CodingAgentError,
    ForgeForbidden,
    ForgeRejected,
    ForgeUnauthorized,
    PullRequestNotFound,
    PushRejected,
    RepositoryNotFound,
)

if TYPE_CHECKING:
    from forge.github.connection import Api

log = logging.getLogger(__name__)

_NO_BRANCH: Final = "coding-agent-has-no-such-branch"
_MOST_FACTS: Final = 100
"""Repositories."""
_MOST_INSTALLATIONS: Final = 10
"""Whose repositories are listed."""


class GitHub(
    GitHubConversations,
    GitHubBranches,
    GitHubChecks,
    GitHubOwnChecks,
    GitHubRules,
    GitHubDeliveries,
    Forge,
):
    """GitHub, or a GitHub Enterprise, as one account sees it."""

    token_setting = "GITHUB_TOKEN"  # noqa: S105 - a name
    workflows = ".github/workflows/"
    templates = tuple(
        f"{folder}{name}"
        for folder in (".github/", "", "docs/")
        for name in ("pull_request_template.md", "PULL_REQUEST_TEMPLATE.md")
    )

    def __init__(
        self, *, api_url: str, token: SecretStr | None, **options: Unpack[ConnectionOptions]
    ) -> None:
        """Options are those of its connection."""
        super().__init__(api_url=api_url, token=token, **options)
        self._account: Account | None = None
        self._facts: dict[str, tuple[float, RepositoryFacts]] = {}
        self._takes_pulls = set[str]()  # repositories

    def patient(self, deadline: float) -> Self:
        patient = copy(self)
        left_s = max(self.retry_policy.total_s, deadline - time.time())
        patient.retry_policy = replace(self.retry_policy, total_s=left_s)
        return patient

    async def probe(self) -> None:
        if not self.access.credentials.present:
            name = self.token_setting
            raise ForgeUnauthorized(f"{name} is not set.", f"Set {name}.")
        try:
            if self._app:
                await self._app.probe()
            else:
                await self._read("the account", read_user, unheard, ONCE, repo="")
        except ForgeForbidden:
            if await self._read_bot() == UNKNOWN:
                raise

    async def account(
        self,
        emit: Emit = unheard,
        retry_policy: RetryPolicy | None = None,
        *,
        full_name: str = "",
    ) -> Account:
        if self._account is None:
            await self.access.credentials.token(full_name)  # where there is one, no other is made
            read = partial(self._read, "the account", read_user, emit, retry_policy, repo="")
            try:
                self._account = await (self._read_bot() if self._app else read())
            except (ForgeForbidden, RepositoryNotFound):
                self._account = await self._read_bot()
        return self._account

    async def _read_bot(self) -> Account:
        try:
            return await self._read("the App's account", read_bot, unheard, ONCE, repo="")
        except CodingAgentError:
            return UNKNOWN

    async def repository(
        self,
        full_name: str,
        emit: Emit = unheard,
        retry_policy: RetryPolicy | None = None,
        *,
        max_age_s: float = 0,
    ) -> RepositoryFacts:
        told_at, told = self._facts.get(full_name, (0.0, None))
        if told and time.monotonic() - told_at < max_age_s:
            return told
        facts = await self._ask_repository(full_name, emit, retry_policy)
        while len(self._facts) > _MOST_FACTS:
            self._facts.pop(next(iter(self._facts)))
        self._facts[full_name] = time.monotonic(), facts
        return facts

    async def _ask_repository(
        self, full_name: str, emit: Emit, retry_policy: RetryPolicy | None
    ) -> RepositoryFacts:
        def get(github: "Api") -> RepositoryFacts:
            return read_facts(github.get_repo(full_name).raw_data)

        told = await self._app.just_told(full_name) if self._app else None
        if told and "has_pull_requests" in told:
            return replace(read_facts(told), push=True)
        facts = await self._read(full_name, get, emit, retry_policy, repo=full_name)
        if facts.push or not self.access.credentials.present:
            return facts
        account = await self.account(emit, retry_policy)
        return facts if account.user else replace(facts, push=True)

    async def repository_names(self, limit: int) -> list[str]:
        if self._app is None:
            get = partial(read_own_repositories, limit=limit)
            rows = await self._read("the repositories", get, unheard, ONCE, repo="")
        else:
            installations = await self._app.installations(_MOST_INSTALLATIONS)
            found = [self._read_installed(self._app.reader(each)) for each in installations]
            rows = list(chain.from_iterable(await asyncio.gather(*found)))
        return read_names(rows)[:limit]

    async def _read_installed(self, reader: Awaitable[SecretStr]) -> list[Any]:
        """The repositories of one installation; one that is refused hides those of no other."""
        try:
            token = await reader
            call = partial(self._call, "the repositories", read_installed, token, "")
            attempt = partial(asyncio.to_thread, call)
            try:
                return await retry_transient(attempt, what=self.name, emit=unheard, policy=ONCE)
            finally:
                self._pool.drop(token)
        except CodingAgentError as error:
            log.warning("an installation of the App lists no repositories: %s", error.message)
            return []

    async def pull(self, full_name: str, number: int, emit: Emit = unheard) -> PullFacts:
        def get(github: "Api") -> PullFacts:
            pull = github.get_repo(full_name).get_pull(number)
            login = self._app.login if self._app else ""
            self._account = self._account or read_own_author(pull, login)
            return read_pull_facts(pull)

        try:
            what = f"pull request {number} of {full_name}"
            return await self._read(what, get, emit, repo=full_name)
        except RepositoryNotFound:
            raise PullRequestNotFound(f"{full_name} has no pull request {number}.") from None

    def pull_ref(self, number: int) -> str:
        return f"refs/pull/{number}/head"

    async def find_pull(
        self, full_name: str, base: str, head: str, emit: Emit = unheard
    ) -> Pull | None:
        label = head if ":" in head else f"{full_name.partition('/')[0]}:{head}"

        def find(github: "Api") -> Pull | None:
            pulls = github.get_repo(full_name).get_pulls("open", base=base, head=label)
            same = (pull for pull in pulls if str(pull.head.label).lower() == label.lower())
            return next((read_pull(pull) for pull in same), None)

        return await self._read("the pull requests", find, emit, repo=full_name)

    async def create_pull(
        self, full_name: str, base: str, head: str, text: PullText, *, draft: bool
    ) -> Pull:
        def create(github: "Api") -> Pull:
            made = github.get_repo(full_name).create_pull(
                base, head, title=text.title, body=text.body, draft=draft
            )
            return read_pull(made)

        return await self._write("a pull request", create, repo=full_name)

    async def try_pull(self, full_name: str, base: str, *, fork: bool = False) -> None:
        if self._app and not fork:
            return  # its token is made for that right, or not at all
        head = f"{(await self.account()).login}:{_NO_BRANCH}" if fork else base

        def attempt(github: "Api") -> None:
            github.get_repo(full_name).create_pull(base, head, title="May pull requests be opened?")

        try:
            if full_name not in self._takes_pulls:
                await self._write("a pull request", attempt, repo=full_name)
        except Unprocessable:
            self._takes_pulls.add(full_name)
        except (ForgeForbidden, RepositoryNotFound) as refused:
            raise explain_no_pull(full_name, refused) from None
        except (TransientError, ForgeRejected) as unclear:
            log.info("whether %s takes pull requests is not known: %s", full_name, unclear)

    async def edit_pull(self, full_name: str, number: int, text: PullText) -> Pull:
        def edit(github: "Api") -> Pull:
            pull = github.get_repo(full_name).get_pull(number)
            pull.edit(title=text.title, body=text.body)
            return read_pull(pull)

        return await self._write("the pull request", edit, repo=full_name)

    async def mark_ready(self, full_name: str, number: int) -> None:
        def mark(github: "Api") -> None:
            github.get_repo(full_name).get_pull(number).mark_ready_for_review()

        await self._write("the pull request's draft state", mark, repo=full_name)

    async def try_review(self, full_name: str, number: int) -> None:
        try:
            await self.create_review(full_name, number, ReviewText(""))
        except Unprocessable:
            pass
        except (TransientError, ForgeRejected) as unclear:
            log.info("whether %s takes reviews is not known: %s", full_name, unclear)

    async def create_review(self, full_name: str, number: int, text: ReviewText) -> None:
        comments = [
            {"path": each.path, "line": each.line, "side": "RIGHT", "body": each.body}
            for each in text.comments
        ]
        sent: dict[str, Any] = {"event": "COMMENT", "body": text.body, "comments": comments}
        if text.sha:
            sent["commit_id"] = text.sha

        def create(github: "Api") -> None:
            path = f"/repos/{full_name}/pulls/{number}/reviews"
            send(github, "POST", path, sent)

        await self._write("the review", create, repo=full_name)

    async def add_labels(self, full_name: str, number: int, labels: tuple[str, ...]) -> None:
        def add(github: "Api") -> None:
            path = f"/repos/{full_name}/issues/{number}/labels"
            send(github, "POST", path, {"labels": labels})

        await self._write("the labels", add, repo=full_name)

    async def request_reviewers(
        self, full_name: str, number: int, reviewers: tuple[str, ...]
    ) -> None:
        teams = [name.partition("/")[2] for name in reviewers if "/" in name]
        people = [name for name in reviewers if "/" not in name]

        def ask(github: "Api") -> None:
            pull = github.get_repo(full_name).get_pull(number)
            pull.create_review_request(reviewers=people, team_reviewers=teams)

        await self._write("the reviewers", ask, repo=full_name)

    async def create_fork(self, full_name: str) -> str:
        def create(github: "Api") -> str:
            return str(github.get_repo(full_name).create_fork(default_branch_only=True).full_name)

        return await self._write(f"a fork of {full_name}", create, repo=full_name)

    async def merged_pulls(
        self, full_name: str, since: float, limit: int, emit: Emit = unheard
    ) -> list[MergedPull]:
        def find(github: "Api") -> list[MergedPull]:
            pulls = github.get_repo(full_name).get_pulls("closed", "updated", "desc")
            return list(islice(read_merged_pulls(pulls, since), limit))

        return await self._read("the pull requests", find, emit, repo=full_name)

    async def signing_keys(self, login: str, emit: Emit = unheard) -> tuple[str, ...]:
        try:
            get = partial(read_signing_keys, login=login)
            return await self._read("the signing keys", get, emit, repo="")
        except RepositoryNotFound:
            return ()

    async def issue_text(self, full_name: str, number: int, emit: Emit = unheard) -> PullText:
        def get(github: "Api") -> PullText:
            issue = github.get_repo(full_name).get_issue(number)
            return PullText(str(issue.title), str(issue.body or ""))

        return await self._read("an issue", get, emit, repo=full_name)

    def explain_push_rejection(self, full_name: str, reason: str, said: str) -> PushRejected:
        return explain_push_rejection(full_name, reason, said)

    def explain_workflow(self, content: bytes | None, target: Target) -> str:
        return explain_workflow(content, target)
