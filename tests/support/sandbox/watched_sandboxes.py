"""Sandboxes of which it is known which trees were opened."""

from sandbox.core.protocol import Sandbox, Sandboxes, SetUpReport, TreeSpec


class WatchedSandboxes(Sandboxes):
    """Others, and the names of the trees that were opened."""

    def __init__(self, inner: Sandboxes) -> None:
        self._inner = inner
        self.opened: list[str] = []
        self.weights: list[float] = []

    async def open(self, run_id: str, spec: TreeSpec) -> Sandbox:
        self.opened.append(spec.name.partition("-")[0])
        self.weights.append(spec.weight)
        return await self._inner.open(run_id, spec)

    async def set_up(self, run_id: str, spec: TreeSpec) -> SetUpReport | None:
        return await self._inner.set_up(run_id, spec)

    async def discard(self, run_id: str, name: str) -> None:
        await self._inner.discard(run_id, name)

    async def close_run(self, run_id: str, *, keep: tuple[str, ...] = ()) -> None:
        await self._inner.close_run(run_id, keep=keep)
