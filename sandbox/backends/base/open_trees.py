"""The trees of runs that are open in this process, so that they can be closed."""

import asyncio
import re
from abc import ABC, abstractmethod
from weakref import WeakSet, WeakValueDictionary

from sandbox.core.prepared_sandbox import PreparedSandbox
from sandbox.core.protocol import Sandbox, Sandboxes, TreeSpec

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_Key = tuple[str, str]


class OpenTrees(Sandboxes, ABC):
    """Opens one tree of a name at a time, and ends those of a tree that is discarded.

    What nobody uses any more is forgotten.
    """

    def __init__(self) -> None:
        self._open: dict[_Key, WeakSet[Sandbox]] = {}
        self._opening: WeakValueDictionary[_Key, asyncio.Lock] = WeakValueDictionary()

    async def open(self, run_id: str, spec: TreeSpec) -> Sandbox:
        key = run_id, check_tree_name(spec.name)
        async with self._opening.setdefault(key, asyncio.Lock()):
            sandbox = await self._open_or_make(run_id, spec)
        self._open.setdefault(key, WeakSet()).add(sandbox)
        return PreparedSandbox(sandbox, spec.environment, offline=not spec.reaches_hosts)

    async def discard(self, run_id: str, name: str) -> None:
        await self._close(run_id, check_tree_name(name))
        await self._remove(run_id, name)

    async def close_run(self, run_id: str, *, keep: tuple[str, ...] = ()) -> None:
        for opened_run, name in list(self._open):
            if opened_run == run_id:
                await self._close(run_id, name)
        await self._remove_all(run_id, keep)

    async def _close(self, run_id: str, name: str) -> None:
        for sandbox in list(self._open.pop((run_id, name), ())):
            await sandbox.close()

    @abstractmethod
    async def _open_or_make(self, run_id: str, spec: TreeSpec) -> Sandbox:
        """The tree of that name: found as it was left, or made. Raises SandboxError."""

    @abstractmethod
    async def _remove(self, run_id: str, name: str) -> None:
        """Remove a tree in which nothing of this process runs any more."""

    @abstractmethod
    async def _remove_all(self, run_id: str, keep: tuple[str, ...]) -> None:
        """Remove all trees of a run but those that may be kept."""


def check_tree_name(name: str) -> str:
    """The name of a tree. Raises ValueError where it is none."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a name of a tree: {name!r}")
    return name
