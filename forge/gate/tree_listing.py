"""All files of a tree, as git lists them."""

import asyncio
from dataclasses import dataclass
from typing import Final

from forge.git.command import Git
from forge.git.environment import run_objects
from graph import RunFolder

_LIST: Final = ("ls-tree", "-r", "-z", "--full-tree")


@dataclass(frozen=True, slots=True)
class TreeFile:
    """One file or link of a tree."""

    path: bytes
    mode: str
    sha: str

    @property
    def name(self) -> str:
        return self.path.decode("utf-8", "surrogateescape")


async def list_tree(git: Git, run: RunFolder, tree: str) -> list[TreeFile]:
    """Every file, in git's order. Raises GitFailed."""
    objects = run_objects(str(run.objects))
    listed = await git.output(*_LIST, tree, git_dir=str(run.base_git), environment=objects)
    return await asyncio.to_thread(_parse, listed)


def _parse(listed: bytes) -> list[TreeFile]:
    """`mode type object TAB path NUL`."""
    files = []
    for row in listed.split(b"\0")[:-1]:
        facts, _, path = row.partition(b"\t")
        mode, _, sha = facts.decode("ascii").split(" ")
        files.append(TreeFile(path, mode, sha))
    return files
