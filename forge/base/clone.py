"""The clone of a run's base from the forge."""

import asyncio
from dataclasses import replace
from pathlib import Path

from forge.base.bare_repository import Head, Tip, new_repository, put_in_place, read_head
from forge.base.version_tags import tags_of, version_of
from forge.core.repository_address import RepoAddress
from forge.core.retry import TransientError, retry_transient
from forge.git.command import Git, GitResult
from forge.git.transfer_errors import transfer_error
from graph import Emit, RetryPolicy
from graph.errors import BranchNotFound, CodingAgentError, EmptyRepository

_SYMREF = "ref: "
_SHALLOW = [
    "clone",
    "--quiet",
    "--bare",
    "--depth=1",
    "--single-branch",
    "--no-tags",
    "--no-recurse-submodules",
    "--template=",
]


async def clone(
    git: Git,
    address: RepoAddress,
    branch: str | None,
    *,
    base_git: Path,
    emit: Emit,
    retry_policy: RetryPolicy,
    cut_at: str = "",
) -> Head:
    """Make `base_git` of one branch's newest commit. Raises RepositoryError or ForgeError.

    `cut_at`: further commits before which there is no history, a line each.
    """

    async def attempt() -> Head:
        async with new_repository(base_git) as new:
            named = ("--branch", branch) if branch else ()
            result = await git.transfer(*_SHALLOW, *named, "--", address.clone_url, str(new))
            if not result.ok:
                error = transfer_error(result, address.full_name)
                if isinstance(error, TransientError) or type(error).code != "git_failed":
                    raise error
                raise await _why(git, address, branch, error)
            head = await read_head(git, new, address.full_name)
            await asyncio.to_thread(put_in_place, new, base_git, cut_at)
            return replace(head, version=await _version(git, address, head.sha))

    return await retry_transient(attempt, what="git clone", emit=emit, policy=retry_policy)


async def _version(git: Git, address: RepoAddress, sha: str) -> str:
    """Empty where the forge does not list its tags: a build then says so itself."""
    listed = await git.transfer("ls-remote", "--tags", "--", address.clone_url)
    return version_of(tags_of(_refs(listed)), sha) if listed.ok else ""


def _refs(listed: GitResult) -> dict[str, str]:
    rows = [row.split("\t") for row in listed.stdout.decode("utf-8", "replace").splitlines()]
    return {name: value for value, name in rows if not value.startswith(_SYMREF)}


async def tip_of(
    git: Git, address: RepoAddress, branch: str | None, *, emit: Emit, retry_policy: RetryPolicy
) -> Tip:
    """The newest commit of a branch, None: of the default one, as the forge has them now.

    Raises RepositoryError or ForgeError.
    """
    ref = f"refs/heads/{branch}" if branch else "HEAD"

    async def attempt() -> Tip:
        asked = ("ls-remote", "--symref", "--", address.clone_url, ref, "refs/tags/*")
        result = await git.transfer(*asked)
        if not result.ok:
            raise transfer_error(result, address.full_name)
        rows = [row.split("\t") for row in result.stdout.decode("utf-8", "replace").splitlines()]
        told = _refs(result)
        links = {name: value for value, name in rows if value.startswith(_SYMREF)}
        if ref in told:
            named = branch or links.get(ref, "").removeprefix(f"{_SYMREF}refs/heads/")
            if not named:
                raise BranchNotFound(f"{address.full_name} has no default branch; name one.")
            return Tip(named, told[ref], version_of(tags_of(told), told[ref]))
        raise await _why(git, address, branch, _no_commit(address))

    return await retry_transient(attempt, what="git ls-remote", emit=emit, policy=retry_policy)


def _no_commit(address: RepoAddress) -> EmptyRepository:
    return EmptyRepository(f"{address.full_name} has no commit to start from.")


async def _why(
    git: Git, address: RepoAddress, branch: str | None, error: CodingAgentError
) -> CodingAgentError:
    """Ask the forge for its branches: none at all, or not the one that was named."""
    result = await git.transfer("ls-remote", "--heads", "--", address.clone_url)
    if not result.ok:
        return error
    heads = {line.partition(b"\t")[2] for line in result.stdout.splitlines()}
    if not heads:
        return _no_commit(address)
    if branch and f"refs/heads/{branch}".encode() not in heads:
        return BranchNotFound(
            f"{address.full_name} has no branch {branch}.",
            "Give baseBranch as the repository has it, or leave it out for the default branch.",
        )
    return error
