"""The push of one commit to one branch: an exact refspec, never forced, looked up when unclear."""

import re
from typing import Final

from forge.core.branch_names import parent_branches
from forge.core.forge import Forge
from forge.core.repository_address import RepoAddress
from forge.core.retry import TransientError, retry_transient
from forge.git.command import Git, GitResult
from forge.git.transfer_errors import transfer_error
from graph import Emit, RetryPolicy
from graph.errors import CodingAgentError, PushRejected

_FINISH_S: Final = 1.5
_PUSH: Final = ("push", "--porcelain", "--no-verify", "--no-follow-tags", "--no-signed", "--")
_REMOTE: Final = re.compile(r"(?m)^remote: ?(.*)$")


async def push(
    git: Git,
    address: RepoAddress,
    branch: str,
    sha: str,
    *,
    git_dir: str,
    objects: dict[str, str],
    emit: Emit,
    forge: Forge,
) -> None:
    """Bring `sha` to `branch`. Raises PushRejected, ForgeError, RepositoryError."""
    ref = f"refs/heads/{branch}"

    async def attempt() -> None:
        result = await git.transfer(
            *_PUSH,
            address.clone_url,
            f"{sha}:{ref}",
            git_dir=git_dir,
            environment=objects,
            finish_s=_FINISH_S,
        )
        if result.ok:
            return
        error = _push_error(result, address.full_name, forge)
        if isinstance(error, PushRejected | TransientError) and await _is_there(
            git, address, ref, sha
        ):
            return
        raise error

    await retry_transient(attempt, what="git push", emit=emit, policy=forge.retry_policy)


async def try_push(
    git: Git, address: RepoAddress, sha: str, branch: str, *, git_dir: str, emit: Emit, forge: Forge
) -> None:
    """Sign in as for a push, and send nothing. Raises ForgeError, RepositoryError."""

    async def attempt() -> None:
        result = await git.transfer(
            *("push", "--dry-run", *_PUSH[1:]),
            *(address.clone_url, f"{sha}:refs/heads/{branch}"),
            git_dir=git_dir,
        )
        if not result.ok and not _rejected_refs(result):
            raise transfer_error(result, address.full_name)

    await retry_transient(attempt, what="git push", emit=emit, policy=forge.retry_policy)


async def branches_in_way(
    git: Git, address: RepoAddress, branch: str, emit: Emit, retry_policy: RetryPolicy
) -> tuple[str, ...]:
    """Branches of the forge that leave no place for `branch`: of its name, above or below it."""
    refs = [f"refs/heads/{name}" for name in (*parent_branches(branch), branch, f"{branch}/*")]

    async def attempt() -> tuple[str, ...]:
        rows = await _list_refs(git, address, *refs)
        return tuple(sorted(name.removeprefix("refs/heads/") for name in rows))

    return await retry_transient(attempt, what="git ls-remote", emit=emit, policy=retry_policy)


async def branch_head(
    git: Git, address: RepoAddress, branch: str, emit: Emit, retry_policy: RetryPolicy
) -> str:
    """The commit that the forge has at the branch, empty where there is none."""

    async def attempt() -> str:
        return await _head(git, address, f"refs/heads/{branch}")

    return await retry_transient(attempt, what="git ls-remote", emit=emit, policy=retry_policy)


async def _head(git: Git, address: RepoAddress, ref: str) -> str:
    return (await _list_refs(git, address, ref)).get(ref, "")


async def _list_refs(git: Git, address: RepoAddress, *refs: str) -> dict[str, str]:
    """Commits by the names of refs; git also lists refs whose names end so."""
    result = await git.transfer("ls-remote", "--", address.clone_url, *refs)
    if not result.ok:
        raise transfer_error(result, address.full_name)
    rows = (row.partition("\t") for row in result.stdout.decode("utf-8", "replace").splitlines())
    wanted = tuple(ref.removesuffix("*") for ref in refs)
    return {
        name: sha
        for sha, _, name in rows
        if name in wanted or name.startswith(tuple(ref for ref in wanted if ref.endswith("/")))
    }


async def _is_there(git: Git, address: RepoAddress, ref: str, sha: str) -> bool:
    """Whether an unclear push came through after all."""
    try:
        return await _head(git, address, ref) == sha
    except (CodingAgentError, TransientError):
        return False


def _push_error(
    result: GitResult, full_name: str, forge: Forge
) -> CodingAgentError | TransientError:
    """Porcelain lines that begin with `!` say that the forge took the push and refused the ref."""
    rejected = _rejected_refs(result)
    if not rejected:
        return transfer_error(result, full_name)
    reason = rejected[0].partition("\t")[2] or rejected[0]
    said = "\n".join(_REMOTE.findall(result.stderr)).strip()
    return forge.explain_push_rejection(full_name, reason, said)


def _rejected_refs(result: GitResult) -> list[str]:
    return [
        row.partition("\t")[2]
        for row in result.stdout.decode("utf-8", "replace").splitlines()
        if row.startswith("!")
    ]
