"""Ends and removes what has lain for too long."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from graph import FINAL_STATUSES
from graph.errors import RunError
from runs.driving.run_files import RunFiles
from runs.model import transitions
from runs.model.removed_run import KEPT_S
from runs.model.run import Lease
from runs.store.protocol import Store

log = logging.getLogger(__name__)

_DAY_S: Final = 86_400.0
WAITING_S: Final = 7 * _DAY_S
_ROUND_S: Final = 3_600.0


class Janitor:
    """Cancels runs that nobody answers, removes old ones, and folders that belong to none."""

    def __init__(
        self,
        store: Store,
        files: RunFiles,
        *,
        keep_days: int,
        lease: Callable[[], Lease],
        clean_up: Callable[[str], Awaitable[None]],
        delete: Callable[[str], Awaitable[None]],
        on_delete: Callable[[str], Awaitable[None]],
        on_round: Callable[[float], Awaitable[None]],
    ) -> None:
        self._store = store
        self._files = files
        self._clean_up = clean_up
        self._keep_s = keep_days * _DAY_S
        self._lease = lease
        self._delete = delete
        self._on_delete = on_delete
        self._on_round = on_round
        self._looked = time.time(), time.monotonic()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(_ROUND_S)

    async def look(self) -> None:
        """Do what is due, but where the clock was set since the last look: it may be set right."""
        now, steady = time.time(), time.monotonic()
        set_by = (now - self._looked[0]) - (steady - self._looked[1])
        self._looked = now, steady
        if abs(set_by) < _ROUND_S:
            await self.round(now)
        else:
            log.warning("the clock was set by %.0f s: nothing is removed for now", set_by)

    async def round(self, now: float) -> None:
        """Do all that is due at `now` (Unix seconds). What cannot be done keeps nothing else."""
        for step in (self._expire, self._remove_old, self._forget, self._remove_strays):
            await _log_failure(step(now), "cannot tidy up")
        await _log_failure(self._on_round(now), "cannot tidy up")

    async def _expire(self, now: float) -> None:
        for run_id in await self._store.unchanged_since({"waiting"}, now - WAITING_S):
            await _log_failure(self._give_up(run_id, now), f"run {run_id} still waits")

    async def _remove_old(self, now: float) -> None:
        for run_id in await self._store.unchanged_since(FINAL_STATUSES, now - self._keep_s):
            await _log_failure(self._delete(run_id), f"run {run_id} stays")

    async def _forget(self, now: float) -> None:
        await self._store.forget(now - KEPT_S)

    async def _give_up(self, run_id: str, now: float) -> None:
        lease = self._lease()
        step = partial(transitions.expire, lease=lease, now=now, before=now - WAITING_S)
        try:
            ended = await self._store.transact(run_id, step)
        except RunError:
            return
        if ended:
            await self._clean_up(run_id)
            await self._store.transact(run_id, partial(transitions.release, token=lease.token))

    async def _remove_strays(self, now: float) -> None:
        for run_id in await self._files.unchanged_since(now - _DAY_S):
            if await self._store.get(run_id) is None:
                log.info("removing the folder %s, which belongs to no run", run_id)
                await _log_failure(self._remove_stray(run_id), f"the folder {run_id} stays")

    async def _remove_stray(self, run_id: str) -> None:
        await self._on_delete(run_id)
        await self._files.remove(run_id)


async def _log_failure(work: Awaitable[None], what: str) -> None:
    """Whatever goes wrong is logged; it is tried again in the next round."""
    try:
        await work
    except Exception:
        log.exception("%s", what)
