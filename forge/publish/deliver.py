"""The way of one change to the forge: the branch, there or in a fork, and the pull request."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from forge.core.forge import ONCE, Forge, Pull, PullFacts, PullText
from forge.core.repository_address import RepoAddress, parse
from forge.git.environment import run_objects
from forge.git.push import branch_head, branches_in_way, push
from forge.publish.automation import CI_WAITS
from forge.publish.fork import base_in_fork, begin_branch, find_or_create_fork
from forge.publish.outside_pulls import find_open, still_open
from forge.publish.preflight import check_parents
from forge.publish.pull_requests import PullRequests, head_address
from forge.publish.steps import PublishSteps
from forge.receipt import CheckPages, ReceiptPage, ReceiptPlace, ReceiptText
from forge.text.pull_request import tell_rejected
from graph import Emit, PullRequest
from graph.calls import to_the_end
from graph.errors import CodingAgentError, ForgeError, RepositoryError

log = logging.getLogger(__name__)

WriteReceipt = Callable[[str], Awaitable[ReceiptText]]

_LOOKS: Final = 4


@dataclass(frozen=True)
class Delivery:
    """One publication to one repository; `forks`: may go by a fork where it is public."""

    steps: PublishSteps
    forge: Forge
    forks: bool
    receipts: ReceiptPlace
    emit: Emit
    account: str
    """Its name at the forge."""
    pull: PullFacts | None = None
    """The pull request that gets a commit more; None where the run opens its own."""

    async def deliver(
        self,
        target: RepoAddress,
        text: PullText,
        message: str,
        author: str,
        write_receipt: WriteReceipt,
        *,
        may_wait: bool = False,
    ) -> PullRequest:
        """Commit, push, open or update; what the record says is done is not done again.

        `write_receipt` makes the receipt of a commit. `may_wait`: workflows may have to be
        approved first.
        """
        steps, publication = self.steps, self.steps.publication
        new = await self._push(target, message, author)
        digest = _digest(steps.record.commit, text, publication.draft)
        opened_text, was_open = steps.record.opened_text, steps.record.number is not None
        async with self._checked():
            pull = await (
                self._bring_up_to_date(self.pull, text)
                if self.pull
                else self._open_or_update(text, opens=opened_text in ("", digest), new=new)
            )
            await steps.keep(number=pull.number, url=pull.url, opened_text=opened_text or digest)
            receipt = await write_receipt(steps.record.commit)
            text = await self._show_receipt(pull, text, receipt, maybe_there=was_open)
        if may_wait:
            text = await self._tell_waiting(pull, text)
        await self._add_extras(pull, text)
        return PullRequest(
            url=pull.url,
            number=pull.number,
            branch=publication.branch,
            draft=pull.draft,
            head_repo=target.full_name,
            created=steps.record.opened_text == digest and publication.base.pull is None,
        )

    async def choose_target(self) -> RepoAddress:
        """Where the branch goes; a fork is made where it is one."""
        record, full_name = self.steps.record, self.steps.publication.base.full_name
        base = self.steps.publication.base
        if base.pull:
            if not base.writable:
                self._make_draft()
            return head_address(self.forge, base.pull)
        if self.forks and not record.fork and not record.pushed:
            facts = await self.forge.repository(full_name, self.emit)
            if not facts.push and not facts.private:
                fork = await find_or_create_fork(self.forge, full_name, self.emit)
                await self.steps.keep(fork=fork)
        if self.steps.record.fork:
            self._make_draft()
            await self._check_none_open()
        web, name = self.forge.access.web, self.steps.record.fork or full_name
        return parse(f"{web}/{name}", web, allow_local=False)

    def _make_draft(self) -> None:
        """What a stranger's account offers is a draft: its readers did not ask for it."""
        self.steps.publication = self.steps.publication.model_copy(update={"draft": True})

    async def _check_none_open(self) -> None:
        """Raise PullRequestOpen where another one of ours waits for the maintainers."""
        record, full_name = self.steps.record, self.steps.publication.base.full_name
        if record.number is not None:
            return
        opened = await find_open(self.forge, full_name, self.emit)
        if opened is None:
            return
        facts = await self.forge.pull(full_name, opened.number, self.emit)
        own = (record.fork, record.branch or self.steps.publication.branch)
        if (facts.head_repo, facts.head_branch) != own:
            raise still_open(full_name, opened)

    async def settle_branch(self, target: RepoAddress) -> None:
        """Settle the branch's name, by what is there already; a new fork may not show yet."""
        steps, full_name = self.steps, target.full_name
        if steps.publication.base.pull:
            return
        policy = ONCE if steps.record.fork else self.forge.retry_policy

        async def is_free(name: str) -> bool:
            try:
                taken = await branches_in_way(steps.git, target, name, self.emit, policy)
            except (RepositoryError, ForgeError):
                if not steps.record.fork:
                    raise
                return True
            check_parents(full_name, name, taken)
            return not taken

        await steps.settle_branch(full_name, is_free)

    async def _push(self, target: RepoAddress, message: str, author: str) -> bool:
        """Bring the commit to the branch; whether this made the branch."""
        steps, branch = self.steps, self.steps.publication.branch
        git, base = steps.git, steps.publication.base
        if steps.needs_branch_head:
            policy = self.forge.retry_policy
            await steps.note_branch_head(await branch_head(git, target, branch, self.emit, policy))
        await steps.make_commit(message, author)
        if not steps.record.maybe_pushed:
            return False
        new = not steps.record.pushed
        if steps.record.fork and not steps.record.pushed:
            await begin_branch(self.forge, git, target, branch, base.sha, self.emit)
        async with base_in_fork(self.forge, self._merging_fork, branch, base.sha, self.emit):
            await push(
                git,
                target,
                branch,
                steps.record.commit,
                git_dir=str(steps.run.git_of(base)),
                objects=run_objects(str(steps.run.objects)),
                forge=self.forge,
                emit=self.emit,
            )
        await steps.note(pushed=steps.record.commit)  # a push that is forgotten is made again
        return new

    @property
    def _merging_fork(self) -> str:
        """The fork whose branch is merged with a base that it does not have; empty: none."""
        record, base = self.steps.record, self.steps.publication.base
        if base.pull:
            return base.pull.head_repo if base.pull.fork and base.pull.merged else ""
        return record.fork if record.pushed and base.moved else ""

    async def _open_or_update(self, text: PullText, *, opens: bool, new: bool) -> Pull:
        """The run's pull request: opened, or brought up to date as it stands.

        `new`: its branch was just made.
        """
        publication, owner = self.steps.publication, self.steps.record.fork.partition("/")[0]
        head = f"{owner}:{publication.branch}" if owner else publication.branch
        pull = await self._pulls.open(
            publication.base.branch, head, text, draft=publication.draft, new=new
        )
        if opens:
            return pull
        await self.steps.keep(rejected_extras=())
        return await self._pulls.update(pull.number, text, ready=not publication.draft)

    async def _bring_up_to_date(self, facts: PullFacts, text: PullText) -> Pull:
        """A pull request that has one commit more; its text stays where it is another author's."""
        publication = self.steps.publication
        if not self._may_edit:
            return Pull(facts.number, facts.url, facts.draft)
        await self.steps.keep(rejected_extras=())
        told = PullText(publication.title or facts.title, text.body)
        return await self._pulls.update(facts.number, told, ready=not publication.draft)

    @property
    def _may_edit(self) -> bool:
        pull = self.steps.publication.base.pull
        return pull is None or pull.ours

    @asynccontextmanager
    async def _checked(self) -> AsyncIterator[None]:
        """A check of the commit that was pushed, under way until its receipt is shown.

        What fails or is cancelled meanwhile ends it too.
        """
        steps, base = self.steps, self.steps.publication.base
        commit = steps.record.commit
        known = steps.record.check is not None and steps.record.checked == commit
        try:
            if self.forge.makes_checks and not known:
                begun = steps.record.checked == commit
                await steps.keep(checked=commit, check=None)
                check = await self._checks.begin(
                    commit, base.branch, self.account, maybe_there=begun
                )
                await steps.keep(check=check)
            yield
        except BaseException as failed:
            if steps.record.check is not None:
                await to_the_end(self._give_up(steps.record.check, failed))
            raise

    async def _give_up(self, check: int, failed: BaseException) -> None:
        what = "The pull request" if self.steps.record.number is None else "The receipt"
        code = failed.code if isinstance(failed, CodingAgentError) else "stopped"
        await self._checks.give_up(check, f"{what} does not follow: {code}")

    @property
    def _checks(self) -> CheckPages:
        return CheckPages(self.forge, self.steps.publication.base.full_name)

    async def _show_receipt(
        self, pull: Pull, text: PullText, receipt: ReceiptText, *, maybe_there: bool
    ) -> PullText:
        """Show the receipt as the check's page, else as a comment, else folded below the text.

        `maybe_there`: a comment with one may be there that the record does not know of.
        """
        steps, check = self.steps, self.steps.record.check
        if check is not None and await self._checks.end(check, receipt):
            return text
        page = receipt.folded
        known, commit = steps.record.receipt, steps.record.commit
        full_name = steps.publication.base.full_name
        author = self.account if maybe_there or steps.publication.base.pull else ""
        page_of = ReceiptPage(full_name, pull.number, commit, page, author)
        shown = await self.receipts.show(page_of, known)
        if shown is not None:
            if shown != known:
                await steps.keep(receipt=shown)
            return text
        if steps.publication.base.pull:
            return text
        whole = PullText(text.title, f"{text.body}\n\n{page}")
        await self._pulls.try_edit(pull.number, whole)
        return whole

    async def _tell_waiting(self, pull: Pull, text: PullText) -> PullText:
        """Say it where workflows wait for an approval; the forge shows them a moment later."""
        full_name, commit = self.steps.publication.base.full_name, self.steps.record.commit
        waits: bool | None = None
        try:
            for look in range(_LOOKS):
                await asyncio.sleep(self.forge.retry_policy.first_s if look else 0)
                waits = await self.forge.workflows_wait(full_name, commit)
                if waits is not None:
                    break
        except (ForgeError, RepositoryError) as error:
            log.info("whether workflows wait is not known: %s", error.code)
        if not waits or not self._may_edit:
            return text
        told = PullText(pull.title or text.title, f"{text.body}\n\n{CI_WAITS}")
        return told if await self._pulls.try_edit(pull.number, told) else text

    async def _add_extras(self, pull: Pull, text: PullText) -> None:
        """Labels and reviewers never fail a run; the pull request says which are missing."""
        steps, publication = self.steps, self.steps.publication
        rejected = await self._pulls.add_extras(
            pull.number, publication.labels, publication.reviewers
        )
        if rejected == steps.record.rejected_extras or not self._may_edit:
            return
        note = tell_rejected(self.forge.name, rejected)
        body = f"{text.body}\n\n{note}" if rejected else text.body
        if await self._pulls.try_edit(pull.number, PullText(pull.title or text.title, body)):
            await steps.keep(rejected_extras=rejected)

    @property
    def _pulls(self) -> PullRequests:
        return PullRequests(self.forge, self.steps.publication.base.full_name, self.emit)


def _digest(commit: str, text: PullText, draft: bool) -> str:
    """What a pull request tells, so that the same again is known."""
    return hashlib.sha256(repr((commit, text.title, text.body, draft)).encode()).hexdigest()
