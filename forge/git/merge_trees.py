"""Trees merged by their contents alone: no work tree, filter, driver or history meets them."""

import asyncio
import secrets
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from forge.git.apply_patch import shown_path
from forge.git.command import Git, GitResult
from forge.git.environment import run_objects
from forge.git.identity import NOBODY, identity
from graph import RunFolder
from graph.files import write_whole

_MERGE: Final = ("merge-tree", "--write-tree", "--messages", "--name-only", "-z")
_ATTRIBUTES: Final = b"* -text -ident -filter merge=text !diff !eol -working-tree-encoding\n"
_NOBODY: Final = identity(NOBODY)
_CLEAN, _CONFLICT = 0, 1
_CONFLICT_KIND: Final = b"CONFLICT"
_MOST_CONFLICTS: Final = 1000


@dataclass(frozen=True)
class Side:
    """One side of a merge: its `name`, which markers of conflicts carry, and its tree."""

    name: str
    tree: str


@dataclass(frozen=True)
class TreeConflict:
    """What git says of one conflict; `paths` may be empty."""

    paths: tuple[str, ...]
    message: str


@dataclass(frozen=True)
class MergedTrees:
    """The merged tree; where there are conflicts its files hold both sides between markers."""

    tree: str
    conflicts: tuple[TreeConflict, ...] = ()


async def merge_trees(
    git: Git, run: RunFolder, common: str, first: Side, second: Side
) -> MergedTrees | None:
    """Merge two trees that come from a common one; None where that takes more than git may use.

    The new objects lie with the run's own, whose folder is there.
    """
    async with _merging(git, run) as merging:
        start = await merging.commit(common)
        await merging.name(first.name, await merging.commit(first.tree, start))
        await merging.name(second.name, await merging.commit(second.tree, start))
        merged = await merging.merge(first.name, second.name)
    if merged.over or merged.exit_code not in (_CLEAN, _CONFLICT):
        return None
    tree, _, told = merged.stdout.partition(b"\0")
    if merged.exit_code == _CLEAN:
        return MergedTrees(tree.decode())
    return MergedTrees(tree.decode(), await asyncio.to_thread(_read_conflicts, told))


def _read_conflicts(told: bytes) -> tuple[TreeConflict, ...]:
    """Names, then after an empty one the messages: count, paths, kind and sentence of each."""
    names, _, messages = told.partition(b"\0\0")
    found = tuple(_read_messages(messages.split(b"\0")))[:_MOST_CONFLICTS]
    return found or tuple(
        TreeConflict((shown_path(name),), "conflicts") for name in names.split(b"\0") if name
    )


def _read_messages(fields: list[bytes]) -> Iterator[TreeConflict]:
    at = 0
    while at < len(fields) and fields[at].isdigit():
        after = at + 1 + int(fields[at])
        kind, message = fields[after : after + 1], fields[after + 1 : after + 2]
        if kind and message and kind[0].startswith(_CONFLICT_KIND):
            paths = tuple(map(shown_path, fields[at + 1 : after]))
            yield TreeConflict(paths, shown_path(message[0]).strip())
        at = after + 2


@dataclass(frozen=True)
class _Merging:
    """A repository that has the run's objects and merges by contents alone."""

    git: Git
    git_dir: str
    objects: dict[str, str]

    async def commit(self, tree: str, *parents: str) -> str:
        words = [word for parent in parents for word in ("-p", parent)]
        sha = await self.git.output(
            *("commit-tree", tree, *words, "-m", "trial"),
            git_dir=self.git_dir,
            environment={**self.objects, **_NOBODY},
        )
        return sha.decode().strip()

    async def name(self, name: str, commit: str) -> None:
        words = ("update-ref", f"refs/heads/{name}", commit)
        await self.git.output(*words, git_dir=self.git_dir, environment=self.objects)

    async def merge(self, first: str, second: str) -> GitResult:
        return await self.git.run(
            *_MERGE, first, second, git_dir=self.git_dir, environment=self.objects
        )


@asynccontextmanager
async def _merging(git: Git, run: RunFolder) -> AsyncIterator[_Merging]:
    place = run.root / f".merge-{secrets.token_hex(6)}"
    try:
        await git.output("init", "--quiet", "--bare", "--template=", str(place))
        await asyncio.to_thread(write_whole, place / "info" / "attributes", _ATTRIBUTES)
        yield _Merging(git, str(place), run_objects(str(run.objects)))
    finally:
        await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)
