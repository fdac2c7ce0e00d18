"""A fork of the token's account, where it may not push to a public repository itself."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Final

from forge.core.forge import ONCE, Forge
from forge.core.repository_address import RepoAddress
from forge.core.retry import TransientError, Unprocessable, retry_transient
from forge.git.command import Git
from forge.git.push import branch_head
from graph import Emit
from graph.errors import (
    CodingAgentError,
    ForgeRejected,
    ForgeUnavailable,
    RepositoryNotFound,
)

log = logging.getLogger(__name__)

_SHORT: Final = 10
_READY_ATTEMPTS: Final = 9
"""A fork is made in the background; the pauses grow, so this is some minutes."""


async def find_or_create_fork(forge: Forge, full_name: str, emit: Emit) -> str:
    """The full name of the account's fork. Raises ForgeError."""
    return await retry_transient(
        partial(forge.create_fork, full_name),
        what=f"the fork of {full_name}",
        emit=emit,
        policy=forge.retry_policy,
    )


@asynccontextmanager
async def base_in_fork(
    forge: Forge, fork: str, branch: str, sha: str, emit: Emit
) -> AsyncIterator[None]:
    """Have a fork show the base's commit `sha` while the block runs; an empty name is no fork.

    It has that commit on no branch of its own, and git would send it, of which the run has no
    history. A branch beside `branch` shows it, as long as a push of a merge with it takes.
    """
    if not fork:
        yield
        return
    name = f"{branch}-base-{sha[:_SHORT]}"

    async def attempt() -> None:
        with suppress(Unprocessable):  # it is there from before; else the push tells
            await forge.create_branch(fork, name, sha)

    what, policy = f"the fork {fork}", forge.retry_policy
    await retry_transient(attempt, what=what, emit=emit, policy=policy)
    try:
        yield
    finally:
        try:
            await forge.delete_branch(fork, name)
        except (CodingAgentError, TransientError, Unprocessable) as left:
            log.warning("the branch %s of %s is left there: %s", name, fork, left)


async def begin_branch(
    forge: Forge, git: Git, fork: RepoAddress, branch: str, sha: str, emit: Emit
) -> None:
    """Wait until the fork is ready, and have the branch begin at the base's commit.

    A fork that is older than the base has that commit on no branch of its own, but it shares the
    objects of what it was forked from. Its other branches stay as they are.
    """

    async def attempt() -> None:
        try:
            if not await branch_head(git, fork, branch, emit, ONCE):
                await forge.create_branch(fork.full_name, branch, sha)
        except (Unprocessable, RepositoryNotFound, ForgeRejected, ForgeUnavailable) as failed:
            error = failed.error if isinstance(failed, Unprocessable) else failed
            raise TransientError(error, reason="the fork is not ready") from None

    attempts = max(forge.retry_policy.attempts, _READY_ATTEMPTS)
    policy = replace(forge.retry_policy, attempts=attempts)
    await retry_transient(attempt, what=f"the fork {fork.full_name}", emit=emit, policy=policy)
