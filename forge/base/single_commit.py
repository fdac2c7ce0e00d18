"""Bare repositories of one commit without its history, for tasks that begin at an older commit."""

import asyncio
from pathlib import Path
from typing import Final

from forge.base.bare_repository import new_repository, put_in_place, read_head
from forge.base.local_checkout import FETCH, Checkout
from forge.core.forge import Forge
from forge.core.repository_address import RepoAddress, parse
from forge.core.retry import retry_transient
from forge.git.command import Git
from forge.git.transfer_errors import transfer_error
from graph import Base
from graph.errors import CommitNotFound

BRANCH: Final = "main"
_ABSENT: Final = ("not our ref", "couldn't find remote ref", "no such remote ref")


class SingleCommits:
    """Makes them of what the forge or a checkout of this machine has."""

    def __init__(self, forge: Forge) -> None:
        self._forge = forge
        self._git = Git(forge.access)

    async def make(self, repo: str, sha: str, folder: Path) -> None:
        """Make the bare repository `folder`, whose `main` is the commit; one there already stays.

        `repo` is OWNER/REPO, an address or a path; `sha` is whole where it is not a path. Raises
        RepositoryError, ForgeError, InvalidRepoUrl.
        """
        if await asyncio.to_thread(folder.exists):
            return
        await asyncio.to_thread(folder.parent.mkdir, mode=0o700, parents=True, exist_ok=True)
        address = parse(repo, self._forge.access.web, allow_local=True)
        if address.local:
            checkout = await Checkout.find(self._git, address.local)
            await checkout.fetch_commit(self._git, sha, BRANCH, folder)
        else:
            await self._fetch_from_forge(address, sha, folder)

    async def make_base(self, base: Base, sha: str, folder: Path) -> Base:
        """A base at another commit of its repository, of which `folder` becomes the bare one."""
        await self.make(base.address, sha, folder)
        head = await read_head(self._git, folder, base.full_name)
        return base.model_copy(update={"sha": head.sha, "tree": head.tree})

    async def _fetch_from_forge(self, address: RepoAddress, sha: str, folder: Path) -> None:
        async def attempt() -> None:
            async with new_repository(folder) as new:
                await self._git.output(
                    *("init", "--quiet", "--bare", "--template=", f"--initial-branch={BRANCH}"),
                    str(new),
                )
                wanted = f"+{sha}:refs/heads/{BRANCH}"
                result = await self._git.transfer(
                    *FETCH, "--", address.clone_url, wanted, git_dir=str(new)
                )
                if any(sign in result.stderr for sign in _ABSENT):
                    raise CommitNotFound(f"{address.full_name} has no commit {sha}.")
                if not result.ok:
                    raise transfer_error(result, address.full_name)
                await asyncio.to_thread(put_in_place, new, folder)

        await retry_transient(
            attempt, what="git fetch", emit=lambda _: None, policy=self._forge.retry_policy
        )
