"""The way of one change to the forge: the branch, there or in a fork, and the pull request."""

import hashlib
from dataclasses import dataclass
from typing import Final

from forge.core.repository_address import RepoAddress, parse
from forge.git.environment import run_objects
from forge.git.push import branch_head, push
from forge.github.client import GitHub, Pull, PullText
from forge.github.fork import begin_branch, fork_of
from forge.github.pull_requests import add_extras, open_pull, try_to_tell, update_pull
from forge.publish.steps import Progress
from graph import Emit, PullRequest, RetryPolicy

_LEFT_OUT: Final = "GitHub did not take the {} that were asked for."


@dataclass(frozen=True)
class Delivery:
    """One publication to one repository; `forks`: may go by a fork where it is public."""

    progress: Progress
    github: GitHub
    web: str
    forks: bool
    retry_policy: RetryPolicy
    emit: Emit

    async def deliver(
        self, target: RepoAddress, text: PullText, message: str, author: str
    ) -> PullRequest:
        """Commit, push, open or update; what the record says is done is not done again."""
        progress = self.progress
        await self._push(target, message, author)
        told = _digest(progress.record.commit, text, progress.publication.draft)
        opened_with = progress.record.opened_with
        pull = await self._pull(text, new=opened_with in ("", told))
        await progress.keep(number=pull.number, url=pull.url, opened_with=opened_with or told)
        await self._add_extras(pull, text)
        return PullRequest(
            url=pull.url,
            number=pull.number,
            branch=progress.publication.branch,
            draft=pull.draft,
            created=progress.record.opened_with == told,
        )

    async def target(self) -> RepoAddress:
        """Where the branch goes; a fork is made where it is one."""
        progress, full_name = self.progress, self.progress.publication.base.full_name
        if self.forks and not progress.record.fork and not progress.record.pushed:
            facts = await self.github.repository(full_name, self.emit)
            if not facts.push and not facts.private:
                fork = await fork_of(self.github, full_name, self.emit)
                await progress.keep(fork=fork)
        name = progress.record.fork or full_name
        return parse(f"{self.web}/{name}", self.web, allow_local=False)

    async def _push(self, target: RepoAddress, message: str, author: str) -> None:
        progress, branch = self.progress, self.progress.publication.branch
        if progress.superseded:
            head = await branch_head(progress.git, target, branch, self.emit, self.retry_policy)
            await progress.settle(head)
        await progress.commit(message, author)
        if not progress.record.unclear:
            return
        if progress.record.fork and not progress.record.pushed:
            sha = progress.publication.base.sha
            await begin_branch(self.github, progress.git, target, branch, sha, self.emit)
        await push(
            progress.git,
            target,
            branch,
            progress.record.commit,
            git_dir=str(progress.run.git_of(progress.publication.base)),
            objects=run_objects(str(progress.run.objects)),
            emit=self.emit,
            retry_policy=self.retry_policy,
        )
        await progress.keep(pushed=progress.record.commit)

    async def _pull(self, text: PullText, *, new: bool) -> Pull:
        """The run's pull request: opened where it is new, or brought up to date as it stands."""
        publication, fork = self.progress.publication, self.progress.record.fork
        base, branch = publication.base, publication.branch
        pull = await open_pull(
            self.github,
            base.full_name,
            base.branch,
            f"{fork.partition('/')[0]}:{branch}" if fork else branch,
            text,
            draft=publication.draft,
            emit=self.emit,
        )
        if new:
            return pull
        await self.progress.keep(left_out=())
        ready = not publication.draft
        return await update_pull(
            self.github, base.full_name, pull.number, text, ready=ready, emit=self.emit
        )

    async def _add_extras(self, pull: Pull, text: PullText) -> None:
        """Labels and reviewers never fail a run; the pull request says which are missing."""
        publication, full_name = self.progress.publication, self.progress.publication.base.full_name
        left_out = await add_extras(
            self.github,
            full_name,
            pull.number,
            publication.labels,
            publication.reviewers,
            self.emit,
        )
        if left_out == self.progress.record.left_out:
            return
        body = (
            f"{text.body}\n\n{_LEFT_OUT.format(' and '.join(left_out))}" if left_out else text.body
        )
        told = PullText(text.title, body)
        if await try_to_tell(self.github, full_name, pull.number, told, self.emit):
            await self.progress.keep(left_out=left_out)


def _digest(commit: str, text: PullText, draft: bool) -> str:
    """What a pull request tells, so that the same again is known."""
    return hashlib.sha256(repr((commit, text.title, text.body, draft)).encode()).hexdigest()
