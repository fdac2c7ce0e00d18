"""One pull request for one branch, however often it is asked for and whatever answers get lost."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeVar

from forge.core.forge import Forge, Pull, PullText
from forge.core.repository_address import RepoAddress, parse
from forge.core.retry import Unprocessable, retry_transient
from graph import Emit, PullGround
from graph.errors import CodingAgentError

log = logging.getLogger(__name__)

T = TypeVar("T")

_ATTEMPTS: Final = 3
_EXTRA_S: Final = 90.0
"""So long is waited for what no run depends on."""


def head_address(forge: Forge, pull: PullGround) -> RepoAddress:
    """The repository that a pull request's branch is in."""
    return parse(f"{forge.access.web}/{pull.head_repo}", forge.access.web, allow_local=False)


@dataclass(frozen=True)
class PullRequests:
    """The pull requests to one repository, whose full name is `OWNER/NAME`."""

    forge: Forge
    full_name: str
    emit: Emit

    async def open(
        self, base: str, head: str, text: PullText, *, draft: bool, new: bool = False
    ) -> Pull:
        """The open pull request from `head` to `base`: the one that is there, or a new one.

        `head` is a branch, or `OWNER:BRANCH` in a fork; `new`: it was just made, so that there can
        be none yet. A repository without drafts gets a normal pull request that says what it is.
        """
        tried = False
        find = partial(self.forge.find_pull, self.full_name, base, head, self.emit)
        create = partial(self.forge.create_pull, self.full_name, base, head)

        async def attempt() -> Pull:
            nonlocal tried
            first, tried = new and not tried, True
            if not first and (found := await find()):
                return found
            try:
                return await create(text, draft=draft)
            except Unprocessable as unfit:
                if found := await find():
                    return found
                if not draft or unfit.fields:
                    raise
            return await create(PullText(f"[Draft] {text.title}", text.body), draft=False)

        return await self._repeat("opening the pull request", attempt)

    async def update(self, number: int, text: PullText, *, ready: bool) -> Pull:
        """Replace title and body; `ready` ends a draft where the repository has drafts."""
        edit = partial(self.forge.edit_pull, self.full_name, number, text)
        pull = await self._repeat("updating the pull request", edit)
        if not (ready and pull.draft):
            return pull
        mark = partial(self.forge.mark_ready, self.full_name, number)
        return replace(pull, draft=not await self._try("the draft state", mark))

    async def try_edit(self, number: int, text: PullText) -> bool:
        """Whether the pull request now has this text, which no run depends on."""
        edit = partial(self.forge.edit_pull, self.full_name, number, text)
        return await self._try("the text", edit)

    async def add_extras(
        self, number: int, labels: tuple[str, ...], reviewers: tuple[str, ...]
    ) -> tuple[str, ...]:
        """Add labels and reviewers; which of the two the forge rejected."""
        wanted = (
            ("labels", self.forge.add_labels, labels),
            ("reviewers", self.forge.request_reviewers, reviewers),
        )
        return tuple(
            [
                what
                for what, add, names in wanted
                if names and not await self._try(what, partial(add, self.full_name, number, names))
            ]
        )

    async def _try(self, what: str, write: Callable[[], Awaitable[object]]) -> bool:
        """Whether a write that may be made twice came through; it is not waited for for long."""
        try:
            await self._repeat(what, write, _EXTRA_S)
        except CodingAgentError as error:
            log.warning("%s left out: %s", what, error.code)
            return False
        return True

    async def _repeat(
        self, what: str, call: Callable[[], Awaitable[T]], total_s: float = float("inf")
    ) -> T:
        policy = self.forge.retry_policy
        policy = replace(
            policy,
            attempts=min(policy.attempts, _ATTEMPTS),
            total_s=min(policy.total_s, total_s),
        )
        return await retry_transient(call, what=what, emit=self.emit, policy=policy)
