"""A fork of the token's account, where it may not push to a public repository itself."""

from dataclasses import replace
from typing import Final

from forge.core.repository_address import RepoAddress
from forge.core.retry import TransientError, retry_transient
from forge.git.command import Git
from forge.git.push import branch_head
from forge.github.api_errors import Unprocessable
from forge.github.client import ONCE, GitHub
from graph import Emit
from graph.errors import CodingAgentError, GitHubRejected, GitHubUnavailable, RepositoryNotFound

_READY_ATTEMPTS: Final = 9
"""A fork is made in the background; the pauses grow, so this is some minutes."""


async def fork_of(github: GitHub, full_name: str, emit: Emit) -> str:
    """The full name of the account's fork: the one it has, or a new one. Raises GitHubError."""

    async def attempt() -> str:
        try:
            return await github.create_fork(full_name)
        except Unprocessable as refused:
            raise refused.error from None

    return await retry_transient(
        attempt, what=f"the fork of {full_name}", emit=emit, policy=github.retry_policy
    )


async def begin_branch(
    github: GitHub, git: Git, fork: RepoAddress, branch: str, sha: str, emit: Emit
) -> None:
    """Wait until the fork is ready, and have the branch begin at the base's commit.

    A fork that is older than the base has that commit on no branch of its own, but it shares the
    objects of what it was forked from. Its other branches stay as they are.
    """

    async def attempt() -> None:
        try:
            if not await branch_head(git, fork, branch, emit, ONCE):
                await github.create_branch(fork.full_name, branch, sha)
        except Unprocessable as refused:
            raise _not_ready(refused.error) from None
        except (RepositoryNotFound, GitHubRejected, GitHubUnavailable) as error:
            raise _not_ready(error) from None

    attempts = max(github.retry_policy.attempts, _READY_ATTEMPTS)
    policy = replace(github.retry_policy, attempts=attempts)
    await retry_transient(attempt, what=f"the fork {fork.full_name}", emit=emit, policy=policy)


def _not_ready(error: CodingAgentError) -> TransientError:
    return TransientError(error, reason="the fork is not ready")
