"""A fork of the token's account, where it may not push to a public repository itself."""

from dataclasses import replace
from functools import partial
from typing import Final

from forge.core.forge import ONCE, Forge
from forge.core.repository_address import RepoAddress
from forge.core.retry import TransientError, Unprocessable, retry_transient
from forge.git.command import Git
from forge.git.push import branch_head
from graph import Emit
from graph.errors import ForgeRejected, ForgeUnavailable, RepositoryNotFound

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
