"""Trees of sandboxes that live on this machine: made, found again, removed."""

import asyncio
import errno
import logging
import os
import re
import secrets
import stat
from pathlib import Path

from graph import RunFolder
from graph.errors import SandboxError, SandboxLost, SandboxUnavailable
from sandbox.backends.base.protocols import Backend, DiskBackend
from sandbox.backends.base.tree_disk import PLACE
from sandbox.core.metrics import CommandMetrics, MeteredSandbox
from sandbox.core.prepared_sandbox import PreparedSandbox
from sandbox.core.protocol import Sandbox, Sandboxes, TreeSpec
from sandbox.setup.networked import NetworkedSetUp
from sandbox.setup.run_commands import run_set_up
from sandbox.tree.checkout import PARTS, base_objects, check_out, fill, make_folders
from sandbox.tree.delete_tree import remove_folder
from sandbox.tree.run_folder import load_change

log = logging.getLogger(__name__)

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_UNFILLED = "unfilled"
"""Beside the parts of a tree whose files were not brought in yet."""


class LocalSandboxes(Sandboxes):
    """Keeps each tree in a folder of its run.

    With `set_up` set-up has a network, and each tree begins with a kept result of it.
    """

    def __init__(
        self,
        *,
        runs: Path,
        backend: Backend,
        metrics: CommandMetrics | None = None,
        set_up: NetworkedSetUp | None = None,
    ) -> None:
        self._runs = runs
        self._backend = backend
        self._metrics = metrics or CommandMetrics()
        self._set_up = set_up
        self._open: dict[tuple[str, str], list[Sandbox]] = {}

    async def open(self, run_id: str, spec: TreeSpec) -> Sandbox:
        run = RunFolder.of(self._runs, run_id)
        folder = _tree_folder(run, spec.name)
        uid = self._backend.uid_for_run(run_id)
        if uid is not None:
            ensure_readable(base_objects(run.git_of(spec.base)), uid)
        sandbox = None
        if _is_tree(folder, uid, self._parts(folder)):
            try:
                sandbox = await self._attach(run, spec, folder, uid)
            except SandboxLost as error:
                log.warning("A tree is made anew. %s", error.message)
        sandbox = sandbox or await self._make(run_id, spec, folder, uid)
        if spec.checkout and await asyncio.to_thread((folder / _UNFILLED).exists):
            await check_out(sandbox)
            await asyncio.to_thread((folder / _UNFILLED).unlink, missing_ok=True)
        self._open.setdefault((run_id, spec.name), []).append(sandbox)
        return PreparedSandbox(sandbox, spec.environment)

    async def discard(self, run_id: str, name: str) -> None:
        await self._close(run_id, name)
        await _discard(_tree_folder(RunFolder.of(self._runs, run_id), name))

    async def close_run(self, run_id: str, *, keep: tuple[str, ...] = ()) -> None:
        for opened_run, name in list(self._open):
            if opened_run == run_id:
                await self._close(run_id, name)
        await discard_trees(self._runs, run_id, keep=keep)
        await remove_folder(RunFolder.of(self._runs, run_id).setups)

    def _parts(self, folder: Path) -> tuple[str, ...]:
        """What is in the folder of a tree that this backend made; another's is made anew."""
        own = isinstance(self._backend, DiskBackend) and self._backend.disks.has(folder)
        return (PLACE,) if own else PARTS

    async def _close(self, run_id: str, name: str) -> None:
        for sandbox in self._open.pop((run_id, name), ()):
            await sandbox.close()

    async def _make(self, run_id: str, spec: TreeSpec, folder: Path, uid: int | None) -> Sandbox:
        """Make the tree under a temporary name, so that what has the name is complete."""
        patch = load_change(self._runs, run_id, spec.change) if spec.change else b""
        run = RunFolder.of(self._runs, run_id)
        await _discard(folder)
        new = await asyncio.to_thread(make_folders, folder, uid)
        try:
            sandbox = await self._attach(run, spec, new, uid)
            try:
                await fill(sandbox, run, spec, patch)
                if not spec.checkout:
                    await asyncio.to_thread((new / _UNFILLED).touch)
                if self._set_up is None:
                    await run_set_up(sandbox, spec.environment)
                elif spec.setup:
                    await self._set_up.apply(new, run, spec, patch, uid)
                await asyncio.to_thread(_rename, new, folder)
                return await self._attach(run, spec, folder, uid)
            finally:
                await sandbox.close()
        finally:
            await remove_folder(new)

    async def _attach(
        self, run: RunFolder, spec: TreeSpec, folder: Path, uid: int | None
    ) -> Sandbox:
        objects = base_objects(run.git_of(spec.base))
        sandbox = await asyncio.to_thread(self._backend.attach, folder, objects, uid)
        return MeteredSandbox(sandbox, self._metrics)


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


def _tree_folder(run: RunFolder, name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a name of a tree: {name!r}")
    return run.trees / name


def _is_tree(folder: Path, uid: int | None, parts: tuple[str, ...]) -> bool:
    """Whether a complete tree is there that the sandbox's user can use."""
    try:
        found = [os.lstat(path) for path in (folder, *(folder / part for part in parts))]
    except (FileNotFoundError, NotADirectoryError):
        return False
    folders = all(stat.S_ISDIR(status.st_mode) for status in found)
    return folders and (uid is None or all(status.st_uid == uid for status in found[1:]))


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
