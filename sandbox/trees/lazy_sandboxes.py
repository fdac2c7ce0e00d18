"""Sandboxes whose backend is chosen, and tried, when the first tree is opened."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from sandbox.core.protocol import Sandbox, Sandboxes, SetUpReport, TreeSpec
from sandbox.trees.local_trees import discard_trees


class LazySandboxes(Sandboxes):
    """Makes services cheap to build: nothing is tried before a run needs it."""

    def __init__(self, choose: Callable[[], Awaitable[Sandboxes]], *, runs: Path) -> None:
        self._choose = choose
        self._runs = runs
        self._chosen: Sandboxes | None = None
        self._lock = asyncio.Lock()

    async def chosen(self) -> Sandboxes:
        """Raises SandboxUnavailable where none holds on this machine."""
        async with self._lock:
            if self._chosen is None:
                self._chosen = await self._choose()
            return self._chosen

    async def open(self, run_id: str, spec: TreeSpec) -> Sandbox:
        return await (await self.chosen()).open(run_id, spec)

    def begin(self, run_id: str, name: str, spec: TreeSpec | None = None) -> None:
        """Nothing where none is chosen yet: the tree is made when it is opened."""
        if self._chosen is not None:
            self._chosen.begin(run_id, name, spec)

    async def set_up(self, run_id: str, spec: TreeSpec) -> SetUpReport | None:
        return await (await self.chosen()).set_up(run_id, spec)

    async def take_image(self, image: str) -> str:
        return await (await self.chosen()).take_image(image)

    async def discard(self, run_id: str, name: str) -> None:
        await (await self.chosen()).discard(run_id, name)

    async def close_run(self, run_id: str, *, keep: tuple[str, ...] = ()) -> None:
        """Where no tree was opened here, nothing runs; what another process left is removed."""
        if self._chosen is not None:
            await self._chosen.close_run(run_id, keep=keep)
        else:
            await discard_trees(self._runs, run_id, keep=keep)
