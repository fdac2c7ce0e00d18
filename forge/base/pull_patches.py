"""What merged pull requests changed, as patches."""

import asyncio
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from forge.base.local_checkout import FETCH
from forge.core.forge import Forge
from forge.core.repository_address import parse
from forge.core.retry import retry_transient
from forge.git.command import Git
from forge.git.transfer_errors import transfer_error
from graph import unheard
from graph.errors import PatchTooLarge, PatchUnusable

_MOST_FILES: Final = 300
_MOST_BYTES: Final = 4 * 1024 * 1024
_DIFF: Final = (
    "diff",
    "--binary",
    "--full-index",
    "--no-renames",
    "--no-ext-diff",
    "--no-textconv",
)
_LIST: Final = ("diff", "--name-only", "-z", "--no-renames")


@dataclass(frozen=True)
class PullPatches:
    """Two patches against the base of a pull request, either of which may be empty."""

    sources: str
    tests: str


class PullPatchReader:
    """Reads them from one repository of the forge, by way of a bare one at `folder`."""

    def __init__(self, forge: Forge, repo: str, folder: Path) -> None:
        self._forge = forge
        self._git = Git(forge.access)
        self._address = parse(repo, forge.access.web, allow_local=False)
        self._folder = folder

    async def read(
        self, base_sha: str, head_sha: str, tests_of: Callable[[str], Collection[str]]
    ) -> PullPatches:
        """`tests_of` names the paths of tests in a patch, and is called in a thread.

        Raises RepositoryError, ForgeError; PatchTooLarge, PatchUnusable for this one alone.
        """
        await self._fetch(base_sha, head_sha)
        listed = await self._output(*_LIST, base_sha, head_sha)
        try:
            paths = [path.decode() for path in listed.split(b"\0")[:-1]]
            if len(paths) > _MOST_FILES:
                raise PatchTooLarge(f"The pull request touches {len(paths)} files.")
            tests = await asyncio.to_thread(tests_of, await self._diff(base_sha, head_sha, paths))
            return PullPatches(
                sources=await self._diff(base_sha, head_sha, [p for p in paths if p not in tests]),
                tests=await self._diff(base_sha, head_sha, [p for p in paths if p in tests]),
            )
        except UnicodeDecodeError:
            raise PatchUnusable("The pull request has text that is no UTF-8.") from None

    async def close(self) -> None:
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def _diff(self, base_sha: str, head_sha: str, paths: list[str]) -> str:
        if not paths:
            return ""
        patch = await self._output(*_DIFF, base_sha, head_sha, "--", *paths)
        if len(patch) > _MOST_BYTES:
            raise PatchTooLarge(f"The pull request's patch has {len(patch)} bytes.")
        return patch.decode()

    async def _output(self, *words: str) -> bytes:
        return await self._git.output(*words, git_dir=str(self._folder))

    async def _fetch(self, *commits: str) -> None:
        if not await asyncio.to_thread(self._folder.exists):
            parent = self._folder.parent
            await asyncio.to_thread(parent.mkdir, mode=0o700, parents=True, exist_ok=True)
            await self._git.output("init", "--quiet", "--bare", "--template=", str(self._folder))

        async def attempt() -> None:
            words = (*FETCH, "--", self._address.clone_url, *commits)
            result = await self._git.transfer(*words, git_dir=str(self._folder))
            if not result.ok:
                raise transfer_error(result, self._address.full_name)

        policy = self._forge.retry_policy
        await retry_transient(attempt, what="git fetch", emit=unheard, policy=policy)
