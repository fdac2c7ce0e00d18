"""Changes with the files of another one in place of their own."""

import asyncio
from pathlib import Path

from forge.core.forge import Forge
from forge.git.apply_patch import apply_patch, check_size, compare, own_index, prepare_objects
from forge.git.command import Git
from forge.git.environment import run_objects
from graph import Base, RunFolder

_PATCH = ("--binary", "--full-index", "--no-renames")


class ChangeLayers:
    """Makes them for runs whose base is there; `runs` is the folder of all runs."""

    def __init__(self, *, runs: Path, forge: Forge) -> None:
        self._runs = runs
        self._git = Git(forge.access, hide=(str(runs),))

    async def lay_over(self, run_id: str, base: Base, change: bytes, upper: bytes) -> bytes:
        """The patch of a tree that is as `upper` where that touches the base, else as `change`.

        Both are patches against the base, or empty. Raises PatchTooLarge, PatchUnusable.
        """
        run = RunFolder.of(self._runs, run_id)
        await asyncio.to_thread(prepare_objects, run)
        below = await self._tree(run, base, change)
        above = await self._tree(run, base, upper)
        if above == base.tree:
            return change
        git_dir, objects = str(run.base_git), run_objects(str(run.objects))
        words = ("diff-tree", "-r", "-z", "--no-renames", base.tree, above)
        listed = await self._git.output(*words, git_dir=git_dir, environment=objects)
        async with own_index(run) as environment:
            await self._git.output("read-tree", below, git_dir=git_dir, environment=environment)
            await self._git.output(
                *("update-index", "--replace", "-z", "--index-info"),
                git_dir=git_dir,
                stdin=_index_info(listed),
                environment=environment,
            )
            tree = await self._git.output("write-tree", git_dir=git_dir, environment=environment)
        return await compare(self._git, run, *_PATCH, base.tree, tree.decode().strip())

    async def _tree(self, run: RunFolder, base: Base, patch: bytes) -> str:
        await asyncio.to_thread(check_size, patch)
        return await apply_patch(self._git, run, base, patch) if patch else base.tree


def _index_info(listed: bytes) -> bytes:
    """Lines of `:MODE MODE SHA SHA STATUS NUL PATH NUL`, as an index takes them.

    What goes comes first: a folder may have to make room for a file.
    """
    fields = listed.split(b"\0")[:-1]
    rows = []
    for words, path in zip(fields[::2], fields[1::2], strict=True):
        _, mode, _, sha, status = words.split(b" ")
        rows.append(
            (status != b"D", b"%b %b\t%b\0" % (b"0" if status == b"D" else mode, sha, path))
        )
    return b"".join(row for _, row in sorted(rows))
