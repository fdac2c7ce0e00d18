"""The runs of one store, for all who read them."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import Any, Final

from graph import Status
from graph.errors import InvalidRequest, RunNotFound, TooManyReaders
from runs.driving.run_files import LocalRunFiles, RunFiles
from runs.model.operator_limits import ServiceConfig
from runs.model.run import Run
from runs.model.run_id import RUN_ID
from runs.model.run_record import Caller, LoggedEvent, RunRecord
from runs.model.run_view import SHOWN, view
from runs.store.event_log import EventLog
from runs.store.protocol import RunQuery, Store

_MAX_LISTED: Final = 200
_ALL: Final = 1_000_000
_PAGE_BYTES: Final = 4 * 1024 * 1024
"""Of one page of events; an event takes 64 KiB."""


class RunReader:
    """What is known of the runs: nothing here changes one."""

    def __init__(self, *, store: Store, config: ServiceConfig, files: RunFiles | None) -> None:
        self._store = store
        self._config = config
        self._log = EventLog(store)
        self._files = files or LocalRunFiles(config.runs)
        self._readers = 0

    async def get(self, run_id: str, caller: Caller) -> RunRecord:
        """Raises RunNotFound, for another owner's run too; so do all that take a caller."""
        return (await self._visible_run(run_id, caller)).record

    async def view(self, run_id: str, caller: Caller) -> dict[str, Any]:
        """The run as one JSON object."""
        run = await self._visible_run(run_id, caller)
        return view(run, await self._store.events(run_id, 0, _ALL, SHOWN))

    def events(self, run_id: str, after: int = 0) -> AsyncGenerator[LoggedEvent, None]:
        """The events after number `after`: logged ones, then live, until the run has ended."""
        return self._log.tail(run_id, after)

    async def page(self, run_id: str, before: int, limit: int) -> list[LoggedEvent]:
        """At most `limit` events that end before number `before`, in order: fewer where large."""
        after = max(0, before - 1 - limit)
        if before - 1 <= after:
            return []
        events = await self._store.events(run_id, after, before - 1 - after)
        size, first = 0, len(events)
        while first and (size := size + len(events[first - 1].payload)) <= _PAGE_BYTES:
            first -= 1
        return events[first:]

    async def list(
        self,
        caller: Caller,
        *,
        status: Status | None = None,
        repo: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> tuple[list[RunRecord], str | None]:
        """The caller's runs, newest first, and the cursor of the next page."""
        if cursor is not None and not RUN_ID.fullmatch(cursor):
            raise InvalidRequest("cursor is not one that was given out here.")
        if limit < 1:
            raise InvalidRequest(f"limit {limit} is out of range.")
        limit = min(limit, _MAX_LISTED)
        owner = None if caller.operator else caller.name
        runs = await self._store.find(
            RunQuery(owner=owner, status=status, repo=repo, before=cursor, limit=limit + 1)
        )
        records = [run.record for run in runs[:limit]]
        return records, runs[limit - 1].order if len(runs) > limit else None

    @contextmanager
    def readers(self) -> Iterator[None]:
        """Count one reader of events while the block runs. Raises TooManyReaders."""
        if self._readers >= self._config.max_readers:
            raise TooManyReaders(f"{self._readers} readers watch runs already.")
        self._readers += 1
        try:
            yield
        finally:
            self._readers -= 1

    async def wait(self, run_id: str, timeout_s: float) -> RunRecord:
        """The run once it has ended, or as it is when the time is over."""
        run = await self._log.wait(run_id, timeout_s)
        if run is None:
            raise RunNotFound(f"There is no run {run_id!r}.")
        return run.record

    async def diff(self, run_id: str, caller: Caller) -> bytes | None:
        """The change so far; None before there is one."""
        await self._visible_run(run_id, caller)
        diff = await self._files.newest_diff(run_id)
        return self._config.hide(diff.decode("latin-1")).encode("latin-1") if diff else None

    async def _visible_run(self, run_id: str, caller: Caller) -> Run:
        run = await self._store.get(run_id)
        if run is None or not caller.sees(run.owner):
            raise RunNotFound(f"There is no run {run_id[:80]!r}.")
        return run
