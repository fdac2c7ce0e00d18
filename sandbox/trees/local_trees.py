"""Trees of sandboxes that live on this machine: made, found again, removed."""

import asyncio
import errno
import logging
import secrets
import stat
from dataclasses import replace
from pathlib import Path

from graph import RunFolder
from graph.errors import SandboxError, SandboxLost, SandboxUnavailable
from graph.files import load_change
from sandbox.backends.base.backend import Tree
from sandbox.backends.base.local_backend import LocalBackend
from sandbox.backends.base.open_trees import OpenTrees
from sandbox.core.metrics import CommandMetrics, MeteredSandbox
from sandbox.core.protocol import Sandbox, SetUpReport, TreeSpec
from sandbox.setup.networked import NetworkedSetUp
from sandbox.setup.run_commands import run_set_up
from sandbox.tree.checkout import base_objects, check_out, fill, new_folders
from sandbox.tree.delete_tree import remove_folder

log = logging.getLogger(__name__)

_UNFILLED = "unfilled"
"""Beside the parts of a tree whose files were not brought in yet."""


class LocalSandboxes(OpenTrees):
    """Keeps each tree in a folder of its run.

    With `set_up` set-up has a network, and each tree begins with a kept result of it.
    """

    def __init__(
        self,
        *,
        runs: Path,
        backend: LocalBackend,
        metrics: CommandMetrics | None = None,
        set_up: NetworkedSetUp | None = None,
    ) -> None:
        super().__init__()
        self._runs = runs
        self._backend = backend
        self._metrics = metrics or CommandMetrics()
        self._set_up = set_up

    async def set_up(self, run_id: str, spec: TreeSpec) -> SetUpReport | None:
        if self._set_up is None:
            return None
        tree = await asyncio.to_thread(self._find, run_id, spec)
        return await self._set_up.make(tree, RunFolder.of(self._runs, run_id), spec)

    async def take_image(self, image: str) -> str:
        taken = await asyncio.to_thread(self._backend.take_image, image)
        return taken or await super().take_image(image)

    async def _open_or_make(self, run_id: str, spec: TreeSpec) -> Sandbox:
        tree = await asyncio.to_thread(self._find, run_id, spec)
        sandbox = None
        if await asyncio.to_thread(self._backend.has_tree, tree):
            try:
                sandbox = await self._open_tree(tree, spec)
            except SandboxLost as error:
                log.warning("A tree is made anew. %s", error.message)
        sandbox = sandbox or await self._make(run_id, spec, tree)
        unfilled = tree.folder / _UNFILLED
        if spec.checkout and await asyncio.to_thread(unfilled.exists):
            await check_out(sandbox)
            await asyncio.to_thread(unfilled.unlink, missing_ok=True)
        return sandbox

    async def _remove(self, run_id: str, name: str) -> None:
        await _discard(RunFolder.of(self._runs, run_id).trees / name)

    async def _remove_all(self, run_id: str, keep: tuple[str, ...]) -> None:
        await discard_trees(self._runs, run_id, keep=keep)
        await remove_folder(RunFolder.of(self._runs, run_id).setups)

    def _find(self, run_id: str, spec: TreeSpec) -> Tree:
        """Where the tree is to be, whether it is there or not. Raises SandboxError."""
        run = RunFolder.of(self._runs, run_id)
        objects = base_objects(run.git_of(spec.base))
        uid = self._backend.uid_for_run(run_id)
        if uid is not None:
            ensure_readable(objects, uid)
        return Tree(run.trees / spec.name, objects, uid, image=spec.environment.image)

    async def _make(self, run_id: str, spec: TreeSpec, tree: Tree) -> Sandbox:
        """Make the tree under a temporary name, so that what has the name is complete."""
        patch = b""
        if spec.change:
            patch = await asyncio.to_thread(
                load_change, RunFolder.of(self._runs, run_id), spec.change
            )
        run = RunFolder.of(self._runs, run_id)
        await _discard(tree.folder)
        async with new_folders(tree.folder, tree.uid) as folder:
            new = replace(tree, folder=folder)
            sandbox = await self._attach(new)
            try:
                await fill(sandbox, run, spec, patch)
                if not spec.checkout:
                    await asyncio.to_thread((folder / _UNFILLED).touch)
                if self._set_up is None:
                    await run_set_up(sandbox, spec.environment)
                elif spec.setup:
                    await self._set_up.apply(new, run, spec, patch)
                await asyncio.to_thread(_rename, folder, tree.folder)
                return await self._open_tree(tree, spec)
            finally:
                await sandbox.close()

    async def _open_tree(self, tree: Tree, spec: TreeSpec) -> Sandbox:
        """A complete tree, with the network of set-up where its commands are to have it."""
        if spec.reaches_hosts and self._set_up:
            return MeteredSandbox(await self._set_up.connect(tree), self._metrics)
        return await self._attach(tree, spec.weight)

    async def _attach(self, tree: Tree, weight: float = 1.0) -> Sandbox:
        backend = self._backend
        if weight != backend.limits.weight:
            backend = backend.limited(replace(backend.limits, weight=weight))
        return MeteredSandbox(await backend.open(tree), self._metrics)


async def discard_trees(runs: Path, run_id: str, *, keep: tuple[str, ...] = ()) -> None:
    """Remove a run's trees in which nothing runs any more, half-made ones too."""
    for folder in await asyncio.to_thread(_listed, RunFolder.of(runs, run_id).trees):
        if folder.name not in keep:
            await _discard(folder)


def ensure_readable(objects: Path, uid: int) -> None:
    """Raise SandboxUnavailable where the sandbox's user cannot get to the base's objects."""
    resolved = objects.resolve()
    for folder in (*reversed(resolved.parents), resolved, resolved / "pack"):
        needed = stat.S_IXOTH if folder in resolved.parents else stat.S_IXOTH | stat.S_IROTH
        try:
            status = folder.stat()
        except FileNotFoundError as error:
            raise SandboxError(f"There is no folder {folder}: the run has no base.") from error
        if status.st_mode & needed != needed and status.st_uid != uid:
            verb, mode = ("read", "o+rx") if needed & stat.S_IROTH else ("pass", "o+x")
            raise SandboxUnavailable(
                f"The sandbox's user {uid} cannot {verb} the folder {folder}.",
                f"Run: chmod {mode} {folder}, or set CODING_AGENT_DATA_DIR to another place.",
            )


def _rename(new: Path, folder: Path) -> None:
    try:
        new.rename(folder)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        # The same tree was made at the same time: that one has the name.


async def _discard(folder: Path) -> None:
    """Free the name at once, then remove what had it."""
    if gone := await asyncio.to_thread(_take_away, folder):
        await remove_folder(gone)


def _take_away(folder: Path) -> Path | None:
    gone = folder.with_name(f".gone-{secrets.token_hex(8)}")
    try:
        folder.rename(gone)
    except FileNotFoundError:
        return None
    return gone


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []
