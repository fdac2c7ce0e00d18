"""The versions of runs in shared tables: of all who would write the next one, one does.

The entry `RUN/VERSION` decides, because a table takes it only where there is none; the entry `RUN`
is a copy of the newest, for readers. A writer that dies between the two, and a copy that comes late
and is an old one, leave a newest version that readers find by looking on from the copy. So entries
stay for an hour, those of old versions as mere marks. Each call of a writer has a time limit far
below that, so that none takes an old version for a free one.
"""

import asyncio
import json
import logging
import secrets
import time
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final

from graph import RetryPolicy, retry
from graph.errors import StoreDamaged, StoreError, StoreUnavailable
from runs.model.run import Run
from runs.shared.backend import StorageBackend, Table
from runs.shared.run_version import RunVersion

log = logging.getLogger(__name__)

_KEPT_S: Final = 3600.0
_GROUP_S: Final = 60.0
_RETRY_POLICY: Final = RetryPolicy(attempts=4)
_WRITE_S: Final = 20.0
_COPY_S: Final = 10.0
_AT_ONCE: Final = 50
_RECORDS: Final = "runs/{run_id}/records"


class VersionChain:
    """Reads the newest version of a run, and adds the next."""

    def __init__(self, backend: StorageBackend) -> None:
        self._backend = backend
        self._copies: dict[str, asyncio.Task[None]] = {}
        """By run: the newest copy that is under way."""

    async def close(self) -> None:
        """Wait for copies that are under way."""
        if self._copies:
            await asyncio.wait(self._copies.values())

    async def newest(self, run_id: str) -> RunVersion | None:
        """None where there is no such run."""
        kept = await self._backend.runs.get(run_id)
        kept = kept or await self._backend.changes.get(_version_key(run_id, 1))
        version = None if kept else await self._archived(run_id)
        number = version.number if version else kept["version"] if kept else 0
        kept = (await self._newer(run_id, number) if number else None) or kept
        return _load(run_id, kept) if kept else version

    async def newest_after(self, version: RunVersion) -> RunVersion:
        """The newest version, by one that was the newest a moment ago: mostly by one call."""
        run_id = version.run.run_id
        kept = await self._newer(run_id, version.number)
        return _load(run_id, kept) if kept else version

    async def _newer(self, run_id: str, number: int) -> dict[str, Any] | None:
        """The newest entry after version `number`, in steps that double and then halve again.

        Mostly there is none, or the one that is written at this moment.
        """
        newest, step, growing = None, 1, True
        while step:
            found = await self._backend.changes.get(_version_key(run_id, number + step))
            if found:
                number += step
                step = (step * 2 if newest else step) if growing else step // 2
                newest = found
            else:
                growing, step = False, step // 2
        return newest

    async def add(self, version: RunVersion) -> RunVersion | None:
        """Add what follows a newest version; None where another was faster.

        Its copy is then under way. That of a run which stops is waited for: who hears of the stop
        may remove the run, or let it go on, at once.
        """
        run_id, now = version.run.run_id, time.time()
        if now - version.time > _WRITE_S:
            return None
        version, old = _with_entry(version, now)
        kept = {**version.dump(), "token": secrets.token_hex(8)}
        try:
            async with asyncio.timeout(_WRITE_S):
                if not await self._is_first(_version_key(run_id, version.number), kept):
                    return None
        except TimeoutError as error:
            raise StoreUnavailable(f"An entry took over {_WRITE_S:.0f} s.") from error
        await self._wait_copied(run_id)
        copy = self._copies[run_id] = asyncio.create_task(self._copy(run_id, kept, old))
        copy.add_done_callback(lambda _: self._forget_copy(run_id, copy))
        if version.run.status not in ("queued", "running"):
            await asyncio.wait([copy])
        return version

    async def _wait_copied(self, run_id: str) -> None:
        """One after the other, so that none comes after one of a later version."""
        while copy := self._copies.get(run_id):
            await asyncio.wait([copy])

    def _forget_copy(self, run_id: str, copy: "asyncio.Task[None]") -> None:
        if self._copies.get(run_id) is copy:
            del self._copies[run_id]

    async def _is_first(self, key: str, kept: dict[str, Any]) -> bool:
        """Add the entry that decides. One whose answer was lost may be there all the same.

        Here it is asked for again, and by the client of a table, which does not tell.
        """
        table = self._backend.changes

        async def add() -> bool:
            if await table.add(key, kept):
                return True
            return bool((await table.get(key) or {}).get("token") == kept["token"])

        def tell(error: StoreError, *_: float) -> None:
            log.warning("an entry is added once more: %s", error)

        return await retry(add, _RETRY_POLICY, on=StoreError, tell=tell)

    async def _copy(self, run_id: str, kept: dict[str, Any], old: "_OldEntries") -> None:
        """The copy for readers, who do without where it is late; and entries that have had it."""
        changes = self._backend.changes
        marks = (changes.put(_version_key(run_id, n), {"version": n}) for n in old.superseded)
        removed = (changes.pop(_version_key(run_id, number)) for number in old.expired)
        try:
            async with asyncio.timeout(_COPY_S):
                await self._backend.runs.put(run_id, kept)
                await _some_at_a_time(marks)
                await _some_at_a_time(removed)
        except (StoreError, TimeoutError) as error:
            log.warning("the copy of run %s is late: %r", run_id, error)

    async def remove(self, version: RunVersion) -> None:
        """Oldest first: an old version that is found alone would be taken for the newest."""
        run_id = version.run.run_id
        await self._wait_copied(run_id)
        first = version.entries[0][0] if version.entries else version.number
        numbers = range(first, version.number + 1)
        await self._backend.runs.pop(run_id)
        await self._backend.changes.pop(_version_key(run_id, 1))
        entries = (_version_key(run_id, number) for number in numbers)
        await _some_at_a_time(map(self._backend.changes.pop, entries))
        await remove_notes(self._backend.changes, version.run)

    async def restore(self, run_id: str) -> RunVersion | None:
        """The newest version, brought back into the tables where their entries have gone.

        One that is there is read alone: who removes the run at this moment is not undone.
        """
        kept = await self._backend.runs.get(run_id)
        version = await self.newest(run_id)
        if version and (kept is None or kept["version"] < version.number):
            await self._backend.runs.put(run_id, version.dump())
        return version

    async def _archived(self, run_id: str) -> RunVersion | None:
        """The newest version that was written to a file, by whichever process."""
        folder = _RECORDS.format(run_id=run_id)
        names = [name for name in await self._backend.archive.names(folder) if name[0] != "."]
        read = await asyncio.gather(
            *(self._backend.archive.read(f"{folder}/{name}") for name in names)
        )
        try:
            found = [RunVersion.load(json.loads(data)) for data in read if data]
        except (ValueError, LookupError, TypeError) as error:
            raise StoreDamaged(f"A record of run {run_id} is damaged.") from error
        newest = max(found, key=lambda version: version.number, default=None)
        return newest and replace(newest, entries=())


async def remove_notes(table: Table, run: Run) -> None:
    """Remove what functions told each other of a run."""
    notes = [make(run.run_id) for make in (role_note, drive_note, run_note)]
    notes += [message_note(run.run_id, number) for number in range(1, run.messages + 1)]
    await _some_at_a_time(map(table.pop, notes))


def _load(run_id: str, kept: dict[str, Any]) -> RunVersion:
    """The version of an entry. Raises StoreUnavailable for one that is a mark by now."""
    if "run" not in kept:
        raise StoreUnavailable(f"Versions of run {run_id} come and go.")
    return RunVersion.load(kept)


def record_path(run_id: str, writer: str) -> str:
    """Where a process keeps a run's newest version among the run's files."""
    return f"{_RECORDS.format(run_id=run_id)}/{writer}.json"


def message_note(run_id: str, number: int) -> str:
    """The key of a message to a run's roles."""
    return f"{run_id}/message/{number}"


def role_note(run_id: str) -> str:
    """The key under which the role call that writes to a run's folder is known."""
    return f"{run_id}/role"


def drive_note(run_id: str) -> str:
    """The key of the newest call of what drives a run."""
    return f"{run_id}/drive"


def run_note(run_id: str) -> str:
    """The key of what a role's function is told of a run whose record it cannot read."""
    return f"{run_id}/run"


def call_note(run_id: str, call: str) -> str:
    """The key of a role call that was begun once."""
    return f"{run_id}/call/{call}"


def _version_key(run_id: str, number: int) -> str:
    return f"{run_id}/{number}"


@dataclass(frozen=True)
class _OldEntries:
    """Numbers of versions: those whose entries become marks, and those whose entries go."""

    superseded: range = range(0)
    expired: range = range(0)


def _with_entry(version: RunVersion, now: float) -> tuple[RunVersion, _OldEntries]:
    """The version with what it says of entries, itself included, and which are old by now.

    Both are looked at once a minute, when a group of entries begins.
    """
    groups = version.entries
    if groups and now - groups[-1][1] < _GROUP_S:
        return version, _OldEntries()
    superseded = range(groups[-2][0], groups[-1][0]) if len(groups) > 1 else range(0)
    groups = (*groups, (version.number, now))
    young = next((n for n, (_, at) in enumerate(groups[1:]) if at >= now - _KEPT_S), 0)
    expired = range(groups[0][0], groups[young][0])
    return replace(version, entries=groups[young:]), _OldEntries(superseded, expired)


async def _some_at_a_time(calls: Iterable[Awaitable[None]]) -> None:
    left = iter(calls)
    while some := list(islice(left, _AT_ONCE)):
        await asyncio.gather(*some)
