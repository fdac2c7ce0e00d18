"""The uncommitted changes of a checkout as a commit, made beside it: nothing of it is written."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from forge.base.local_checkout import Checkout, without_filters
from forge.git.command import Git, GitLimits, GitResult
from graph.errors import RepositoryError

MESSAGE: Final = b"Uncommitted changes of the checkout\n"
_LIMITS: Final = GitLimits(timeout_s=300, cpu_s=300, memory_mb=4096, file_mb=4096)
_COMMIT_FIRST: Final = "Commit it first, or run without --include-uncommitted."
_MOST_NAMED: Final = 3


@dataclass(frozen=True)
class UncommittedChanges:
    """What differs from `head` in the files that git tracks in a checkout.

    The index is a copy, new objects go to `folder`: both are ours.
    """

    git: Git
    checkout: Checkout
    head: str
    folder: Path
    environment: Mapping[str, str]

    @classmethod
    @asynccontextmanager
    async def open(
        cls, git: Git, checkout: Checkout, head: str
    ) -> AsyncIterator["UncommittedChanges"]:
        with tempfile.TemporaryDirectory(prefix="coding-agent-") as name:
            folder = Path(name)
            index, objects = await asyncio.gather(
                _path(git, checkout, "index"), _path(git, checkout, "objects")
            )
            await asyncio.to_thread(_copy_index, index, folder, checkout)
            environment = {
                **await without_filters(git, checkout),
                "GIT_INDEX_FILE": str(folder / "index"),
                "GIT_OBJECT_DIRECTORY": str(folder / "objects"),
                "GIT_ALTERNATE_OBJECT_DIRECTORIES": _quote(str(objects)),
            }
            yield cls(git, checkout, head, folder, environment)

    async def commit_into(self, git_dir: Path, branch: str, identity: Mapping[str, str]) -> None:
        """Let `branch` of another repository, which has `head`, name a commit of the changes.

        Where nothing is changed the branch stays at `head`. Raises RepositoryError.
        """
        await self._add_changed_files()
        tree = (await self._output("write-tree")).decode().strip()
        if tree == (await self._output("rev-parse", f"{self.head}^{{tree}}")).decode().strip():
            return
        made = await self._run(
            *("commit-tree", tree, "-p", self.head, "-F", "-"), stdin=MESSAGE, more=identity
        )
        sha = _checked(made).decode().strip()
        pack = await self._output(
            *("pack-objects", "--revs", "--stdout", "--quiet"),
            stdin=f"{sha}\n^{self.head}\n".encode(),
        )
        await self.git.output("index-pack", "--stdin", "--strict", git_dir=str(git_dir), stdin=pack)
        await self.git.output("update-ref", f"refs/heads/{branch}", sha, git_dir=str(git_dir))

    async def _add_changed_files(self) -> None:
        if unmerged := await self._output("ls-files", "--unmerged", "-z"):
            path = os.fsdecode(unmerged.split(b"\0")[0].partition(b"\t")[2])
            raise RepositoryError(
                f"{self.checkout.folder} is in the middle of a merge: {path} has conflicts.",
                "Resolve them and commit, or run without --include-uncommitted.",
            )
        paths = await self._output("diff-files", "--ignore-submodules=all", "--name-only", "-z")
        await self._refuse_filtered(paths)
        await self._output("update-index", "-z", "--add", "--remove", "--stdin", stdin=paths)

    async def _refuse_filtered(self, paths: bytes) -> None:
        """A file that a filter would store otherwise cannot be stored: no filter is run."""
        told = await self._output("check-attr", "--stdin", "-z", "filter", stdin=paths)
        words = told.split(b"\0")
        filtered = [
            os.fsdecode(path)
            for path, value in zip(words[::3], words[2::3], strict=False)
            if value not in (b"unspecified", b"unset", b"set")
        ]
        if filtered:
            named = ", ".join(filtered[:_MOST_NAMED]) + (", …" if filtered[_MOST_NAMED:] else "")
            raise RepositoryError(
                f"{named} cannot be included: git stores it by a filter, such as Git LFS.",
                _COMMIT_FIRST,
            )

    async def _output(self, *words: str, stdin: bytes = b"") -> bytes:
        return _checked(await self._run(*words, stdin=stdin))

    async def _run(
        self, *words: str, stdin: bytes = b"", more: Mapping[str, str] | None = None
    ) -> GitResult:
        return await self.git.run(
            f"--work-tree={self.checkout.folder}",
            *("-C", str(self.checkout.folder)),
            *words,
            git_dir=str(self.checkout.git_dir),
            stdin=stdin,
            environment={**self.environment, **(more or {})},
            configured=("core.splitIndex=false",),
            limits=_LIMITS,
            user=self.checkout.owner,
        )


async def _path(git: Git, checkout: Checkout, name: str) -> Path:
    """Where the checkout has its index or objects: worktrees have each elsewhere."""
    told = await git.output("rev-parse", "--git-path", name, git_dir=str(checkout.git_dir))
    return checkout.git_dir / os.fsdecode(told.rstrip(b"\n"))


def _copy_index(index: Path, folder: Path, checkout: Checkout) -> None:
    """Copy the index where there is one, for whoever git runs as.

    Its time goes along: git looks into files that were written when the index was, or later.
    """
    (folder / "objects").mkdir()
    if index.exists():
        shutil.copy2(index, folder / "index")
    if checkout.owner:
        for path in (folder, *folder.iterdir()):
            os.chown(path, checkout.owner.uid, checkout.owner.gid)


def _quote(path: str) -> str:
    """A folder as git takes it in a list of folders."""
    escaped = path.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _checked(result: GitResult) -> bytes:
    if not result.ok:
        raise result.failure()
    return result.stdout
