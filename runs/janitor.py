"""Ends and removes what has lain for too long."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Final

from graph.errors import CodingAgentError, RunError
from runs import folder, transitions
from runs.driver import Workshop
from runs.records import FINAL
from runs.run import Lease
from runs.run_id import RUN_ID

log = logging.getLogger(__name__)

_DAY_S: Final = 86_400.0
WAITING_S: Final = 7 * _DAY_S
_KEYS_S: Final = 2 * _DAY_S
_ROUND_S: Final = 3_600.0


class Janitor:
    """Cancels runs that nobody answers, removes old ones, and folders that belong to none."""

    def __init__(
        self,
        workshop: Workshop,
        *,
        keep_days: int,
        lease: Callable[[], Lease],
        delete: Callable[[str], Awaitable[None]],
        on_delete: Callable[[str], Awaitable[None]],
    ) -> None:
        self._workshop = workshop
        self._store = workshop.store
        self._keep_s = keep_days * _DAY_S
        self._lease = lease
        self._delete = delete
        self._on_delete = on_delete

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            try:
                await self.round(time.time())
            except (CodingAgentError, OSError):
                log.exception("cannot tidy up")
            await asyncio.sleep(_ROUND_S)

    async def round(self, now: float) -> None:
        for run_id in await self._store.unchanged_since({"waiting"}, now - WAITING_S):
            await self._give_up(run_id, now)
        for run_id in await self._store.unchanged_since(FINAL, now - self._keep_s):
            try:
                await self._delete(run_id)
            except CodingAgentError as error:
                log.warning("run %s stays: %s", run_id, error)
        await self._store.forget_keys(now - _KEYS_S)
        await self._remove_strays(now)

    async def _give_up(self, run_id: str, now: float) -> None:
        lease = self._lease()
        step = partial(transitions.expire, lease=lease, now=now, before=now - WAITING_S)
        try:
            ended = await self._store.transact(run_id, step)
        except RunError:
            return
        if ended:
            await self._workshop.clean_up(run_id)
            await self._store.transact(run_id, partial(transitions.release, token=lease.token))

    async def _remove_strays(self, now: float) -> None:
        for path in await asyncio.to_thread(_old_folders, self._workshop.runs, now - _DAY_S):
            if await self._store.get(path.name) is None:
                log.info("removing %s, which belongs to no run", path.name)
                await self._on_delete(path.name)
                await asyncio.to_thread(folder.remove, self._workshop.runs, path.name)


def _old_folders(runs: Path, before: float) -> list[Path]:
    if not runs.is_dir():
        return []
    return [
        path
        for path in runs.iterdir()
        if RUN_ID.fullmatch(path.name) and path.stat().st_mtime < before
    ]
