"""Repositories that get other things going while git clones."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from graph import (
    Base,
    Change,
    ChangeRef,
    Emit,
    Finding,
    PicturePlace,
    Repositories,
    RequestPicture,
)


@dataclass(frozen=True)
class WarmingRepositories(Repositories):
    """Warms the other rooms while git clones: a run's first request need not wait for them."""

    inner: Repositories
    warm: Callable[[], Awaitable[None]]

    async def prepare(
        self,
        run_id: str,
        repo_url: str,
        branch: str | None,
        emit: Emit,
        *,
        include_uncommitted: bool = False,
    ) -> Base:
        return await self._warming(
            self.inner.prepare(
                run_id, repo_url, branch, emit, include_uncommitted=include_uncommitted
            )
        )

    async def prepare_pull(self, run_id: str, url: str, emit: Emit) -> Base:
        return await self._warming(self.inner.prepare_pull(run_id, url, emit))

    async def read_pull(self, run_id: str, base: Base) -> tuple[Base, Change]:
        return await self.inner.read_pull(run_id, base)

    async def merge_pull(self, run_id: str, base: Base) -> tuple[Base, Change, tuple[Finding, ...]]:
        return await self.inner.merge_pull(run_id, base)

    async def _warming(self, preparing: Awaitable[Base]) -> Base:
        warming = asyncio.ensure_future(self.warm())
        try:
            base = await preparing
            await warming
        finally:
            warming.cancel()
        return base

    async def keep_pictures(
        self, run_id: str, base: Base, issue: int, places: Sequence[PicturePlace]
    ) -> tuple[RequestPicture, ...]:
        return await self.inner.keep_pictures(run_id, base, issue, places)

    async def read_change(self, run_id: str, base: Base, ref: ChangeRef) -> Change:
        return await self.inner.read_change(run_id, base, ref)
