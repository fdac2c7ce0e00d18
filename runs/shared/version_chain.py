"""The editions of runs in shared tables: of all who would write the next one, one does.

The entry `RUN/VERSION` decides, because a table takes it only where there is none; the entry `RUN`
is a copy of the newest, for readers. A writer that dies between the two leaves a newest edition
that readers find by looking one version on. Entries of old versions go after a while; a writer that
was held up for longer than that gives up, so that none takes an old version for a free one.
"""

import asyncio
import json
import logging
import secrets
import time
from dataclasses import replace
from typing import Any, Final

from graph.errors import StoreDamaged, StoreError, StoreUnavailable
from runs.shared.backend import Places
from runs.shared.run_version import Edition

log = logging.getLogger(__name__)

_KEPT_S: Final = 60.0
_PAUSES_S: Final = (0.5, 2.0, 5.0)
_WRITE_S: Final = 20.0
_RECORDS: Final = "runs/{run_id}/records"


class Ledger:
    """Reads the newest edition of a run, and adds the next."""

    def __init__(self, places: Places) -> None:
        self._places = places

    async def newest(self, run_id: str) -> Edition | None:
        """None where there is no such run."""
        kept = await self._places.runs.get(run_id)
        kept = kept or await self._places.changes.get(_mark(run_id, 1))
        edition = Edition.load(kept) if kept else await self._archived(run_id)
        while edition:
            following = await self._places.changes.get(_mark(run_id, edition.version + 1))
            if not following:
                return edition
            edition = Edition.load(following)
        return None

    async def add(self, edition: Edition) -> Edition | None:
        """Add what follows a newest edition; None where another was faster."""
        run_id, now = edition.run.run_id, time.time()
        if now - edition.time > _WRITE_S:
            return None
        old = [version for version, at in edition.marks if at < now - _KEPT_S]
        young = tuple(mark for mark in edition.marks if mark[0] not in old)
        edition = replace(edition, marks=(*young, (edition.version, now)))
        kept = {**edition.dump(), "token": secrets.token_hex(8)}
        try:
            async with asyncio.timeout(_WRITE_S):
                if not await self._is_first(_mark(run_id, edition.version), kept):
                    return None
        except TimeoutError as error:
            raise StoreUnavailable(f"An entry took over {_WRITE_S:.0f} s.") from error
        await self._copy(run_id, kept, old)
        return edition

    async def _is_first(self, key: str, kept: dict[str, Any]) -> bool:
        """Add the entry that decides. One whose answer was lost may be there all the same."""
        table, unsure = self._places.changes, False
        for pause in (*_PAUSES_S, None):
            try:
                if await table.add(key, kept):
                    return True
                return unsure and (await table.get(key) or {}).get("token") == kept["token"]
            except StoreError as error:
                if pause is None:
                    raise
                log.warning("an entry is added once more: %s", error)
            unsure = True
            await asyncio.sleep(pause)
        return False

    async def _copy(self, run_id: str, kept: dict[str, Any], old: list[int]) -> None:
        """The copy for readers, who do without where it is late; and entries that have had it."""
        removed = [self._places.changes.pop(_mark(run_id, version)) for version in old]
        done = await asyncio.gather(
            self._places.runs.put(run_id, kept), *removed, return_exceptions=True
        )
        for error in done:
            if isinstance(error, StoreError):
                log.warning("the copy of run %s is late: %s", run_id, error)
            elif error:
                raise error

    async def remove(self, edition: Edition) -> None:
        run_id = edition.run.run_id
        versions = {version for version, _ in edition.marks} | {edition.version}
        await self._places.runs.pop(run_id)
        notes = [role_note(run_id), *(_mark(run_id, version) for version in versions)]
        notes += [message_note(run_id, number) for number in range(1, edition.run.messages + 1)]
        await asyncio.gather(*map(self._places.changes.pop, notes))

    async def restore(self, run_id: str) -> Edition | None:
        """The newest edition, brought back into the tables where their entries have gone.

        One that is there is read alone: who removes the run at this moment is not undone.
        """
        kept = await self._places.runs.get(run_id)
        edition = await self.newest(run_id)
        if edition and (kept is None or kept["version"] < edition.version):
            await self._places.runs.put(run_id, edition.dump())
        return edition

    async def _archived(self, run_id: str) -> Edition | None:
        """The newest edition that was written to a file, by whichever process."""
        folder = _RECORDS.format(run_id=run_id)
        names = [name for name in await self._places.archive.names(folder) if name[0] != "."]
        read = await asyncio.gather(
            *(self._places.archive.read(f"{folder}/{name}") for name in names)
        )
        try:
            found = [Edition.load(json.loads(data)) for data in read if data]
        except (ValueError, LookupError, TypeError) as error:
            raise StoreDamaged(f"A record of run {run_id} is damaged.") from error
        newest = max(found, key=lambda edition: edition.version, default=None)
        return newest and replace(newest, marks=())


def record_path(run_id: str, writer: str) -> str:
    """Where a process keeps a run's newest edition among the run's files."""
    return f"{_RECORDS.format(run_id=run_id)}/{writer}.json"


def message_note(run_id: str, number: int) -> str:
    """The key of a message to a run's roles."""
    return f"{run_id}/message/{number}"


def role_note(run_id: str) -> str:
    """The key under which the role call that writes to a run's folder is known."""
    return f"{run_id}/role"


def result_note(run_id: str, step: int) -> str:
    """The key of what a role call came to, until its caller has it."""
    return f"{run_id}/result/{step}"


def _mark(run_id: str, version: int) -> str:
    return f"{run_id}/{version}"
