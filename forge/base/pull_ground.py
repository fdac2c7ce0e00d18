"""The base of a run on a pull request: its head, beside the newest commit of where it goes.

Both are in one repository, with the commit where the branch of the pull request began. HEAD names
the trusted one. What a fork brings goes to the folder of the run alone.
"""

import asyncio
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from forge.base.bare_repository import (
    Head,
    Tip,
    copy_base,
    new_repository,
    put_in_place,
    read_head,
)
from forge.base.local_checkout import FETCH
from forge.core.forge import Forge
from forge.core.repository_address import RepoAddress
from forge.core.retry import retry_transient
from forge.git.apply_patch import compare, prepare_objects
from forge.git.command import Git
from forge.git.transfer_errors import transfer_error
from graph import Base, Commit, Emit, RunFolder
from graph.errors import PullRequestClosed, RepositoryNotFound
from graph.files import write_whole

_PULL_HEAD: Final = "refs/pull/head"
_PULL_START: Final = "refs/pull/start"
_GONE: Final = "couldn't find remote ref"


@dataclass(frozen=True)
class GroundMaker:
    """Makes bases of runs on one pull request; `ref` of the repository `address` is its head."""

    git: Git
    forge: Forge
    address: RepoAddress
    ref: str
    emit: Emit

    async def make(self, trusted_git: Path, trusted: Head, base_git: Path, full_name: str) -> None:
        """Make `base_git` of what `trusted_git` has and the pull request's head.

        `full_name` is the repository that the pull request goes to. Raises PullRequestClosed where
        the head is gone, RepositoryError, ForgeError.
        """
        async with new_repository(base_git) as new:
            tip = Tip(trusted.branch, trusted.sha)
            await asyncio.to_thread(copy_base, trusted_git, new, tip)
            head = await self._fetch(new, self.ref, _PULL_HEAD)
            start = await self._find_start(full_name, trusted.sha, head)
            await self._fetch(new, start, _PULL_START)
            await asyncio.to_thread(put_in_place, new, base_git)

    async def make_newer(self, older_git: Path, base_git: Path, full_name: str) -> Head:
        """Make `base_git` of what an older base has and the head as it is now."""
        trusted = await read_head(self.git, older_git, full_name)
        start = await read_start(self.git, older_git)
        async with new_repository(base_git) as new:
            tip = Tip(trusted.branch, trusted.sha)
            await asyncio.to_thread(copy_base, older_git, new, tip)
            await self._fetch(new, self.ref, _PULL_HEAD)
            await self.git.output("update-ref", _PULL_START, start.sha, git_dir=str(new))
            await asyncio.to_thread(put_in_place, new, base_git)
        return await read_pull_head(self.git, base_git, full_name)

    async def _find_start(self, full_name: str, trusted: str, head: str) -> str:
        """Branches that share no commit are compared as they are."""
        try:
            return await self.forge.merge_base(full_name, trusted, head, self.emit)
        except RepositoryNotFound:
            return trusted

    async def _fetch(self, git_dir: Path, wanted: str, ref: str) -> str:
        fetch = partial(self._try_fetch, git_dir, f"+{wanted}:{ref}")
        policy = self.forge.retry_policy
        await retry_transient(fetch, what="git fetch", emit=self.emit, policy=policy)
        return (await self.git.output("rev-parse", ref, git_dir=str(git_dir))).decode().strip()

    async def _try_fetch(self, git_dir: Path, refspec: str) -> None:
        words = (*FETCH, "--", self.address.clone_url, refspec)
        result = await self.git.transfer(*words, git_dir=str(git_dir))
        if _GONE in result.stderr:
            raise PullRequestClosed(
                f"{self.address.full_name} has no {self.ref} any more.",
                "Restore the pull request's branch, then run again.",
            )
        if not result.ok:
            raise transfer_error(result, self.address.full_name)


async def describe_ground(git: Git, run: RunFolder, base: Base) -> None:
    """Keep what a base's pull request changes: as the readable diff of step 0, and as paths.

    The diff is against where its branch began, the paths are against the trusted base.
    """
    assert base.pull
    assert base.trusted
    await asyncio.to_thread(prepare_objects, run)
    diff, names = await asyncio.gather(
        compare(git, run, "-M", base.pull.start.tree, base.tree),
        compare(git, run, "--name-only", "--no-renames", base.trusted.tree, base.tree),
    )
    heads = b"".join(b"+++ %b\n" % name for name in names.splitlines())
    await asyncio.to_thread(write_whole, run.diff(0), diff)
    await asyncio.to_thread(write_whole, run.ground_paths(base), heads)


async def read_pull_head(git: Git, git_dir: Path, full_name: str) -> Head:
    """The head of the pull request that a base was made of."""
    return await read_head(git, git_dir, full_name, _PULL_HEAD)


async def read_start(git: Git, git_dir: Path) -> Commit:
    """The commit where the branch of the pull request began."""
    names = (f"{_PULL_START}^{{commit}}", f"{_PULL_START}^{{tree}}")
    found = await git.output("rev-parse", *names, git_dir=str(git_dir))
    sha, tree = found.decode().split()
    return Commit(sha=sha, tree=tree)
