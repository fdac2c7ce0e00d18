"""The runs of one store, for all who read them."""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import replace
from typing import Any, Final

from graph import RunRequest, Status
from graph.errors import InvalidRequest, RunNotFound, RunNotYours, TooManyReaders
from runs.driving.run_files import LocalRunFiles, RunFiles
from runs.feed import FeedItem, RunFeed
from runs.figures import Figures, begin_of_weeks, figures_of
from runs.model.follow_up import follow
from runs.model.operator_limits import ServiceConfig
from runs.model.run import Run
from runs.model.run_id import RUN_ID
from runs.model.run_record import Caller, LoggedEvent, RunRecord
from runs.model.run_view import SHOWN, view
from runs.store.act import REMOVED, Act, ActPlace
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
        self._feed = RunFeed(store)
        self._files = files or LocalRunFiles(config.runs)
        self._readers = 0

    async def get(self, run_id: str, caller: Caller) -> RunRecord:
        """Raises RunNotFound, for a run that this caller may not read too; so do all with a caller.

        What steers a run raises RunNotYours where the caller may only read it.
        """
        return (await self._visible_run(run_id, caller)).record

    async def follow(self, request: RunRequest, caller: Caller) -> RunRequest:
        """The request with the repository and the pull request that it goes on with.

        Raises RunNotFound, RunActive or RequestError.
        """
        parent_id = request.get("parent_run_id")
        return follow(request, await self.get(parent_id, caller) if parent_id else None)

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
        query = RunQuery(status=status, repo=repo, before=cursor, limit=limit + 1)
        runs = []
        async with aclosing(self._find(query, caller)) as found:
            async for run in found:
                runs.append(run)
                if len(runs) > limit:
                    break
        records = [run.record for run in runs[:limit]]
        return records, runs[limit - 1].order if len(runs) > limit else None

    async def figures(self, caller: Caller, weeks: int) -> tuple[Sequence[Figures], float]:
        """What the runs of the last weeks came to, of those a caller may read; and their begin."""
        since = begin_of_weeks(time.time(), weeks)
        owner = None if caller.reads_others else caller.name
        found = await self._store.outcomes(owner, since)
        visible = (one for one in found if caller.reads(one.owner, one.repo_url))
        return await asyncio.to_thread(figures_of, visible), since

    async def acts(
        self, caller: Caller, *, limit: int, cursor: str | None = None
    ) -> tuple[Sequence[Act], str | None]:
        """Acts on the runs that a caller may read, newest first, and the next page's cursor."""
        before = None if cursor is None else ActPlace.parse(cursor)
        if cursor is not None and before is None:
            raise InvalidRequest("cursor is not one that was given out here.")
        owner = None if caller.reads_others else caller.name
        found: Sequence[Act] = ()
        while len(found) <= limit:
            acts = await self._store.acts(owner, before, _MAX_LISTED)
            found = [*found, *(act for act in acts if caller.reads(act.owner, act.repo_url))]
            if len(acts) < _MAX_LISTED:
                break
            before = acts[-1].place
        return found[:limit], str(found[limit - 1].place) if len(found) > limit else None

    async def was_removed(self, run_id: str, caller: Caller) -> bool:
        """Whether this caller removed a run, as far as the newest acts tell."""
        acts, _ = await self.acts(caller, limit=_MAX_LISTED)
        removals = ((act.run_id, act.by) for act in acts if act.kind == REMOVED)
        return (run_id, caller.name) in removals

    def changes(self, caller: Caller, since: float | None = None) -> AsyncGenerator[FeedItem, None]:
        """The runs that a caller may read as they change, each at most once a second.

        Those changed since then (Unix seconds) come first. One that somebody removed comes last.
        """
        return self._feed.follow(caller, since)

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
        return await asyncio.to_thread(self._hidden, diff) if diff else None

    def _hidden(self, diff: bytes) -> bytes:
        """Without secrets. Blocks: a diff may have many megabytes."""
        return self._config.hide(diff.decode("latin-1")).encode("latin-1")

    async def _visible_run(self, run_id: str, caller: Caller) -> Run:
        run = await self._store.get(run_id)
        if run is None or not _reads(caller, run):
            raise RunNotFound(f"There is no run {run_id[:80]!r}.")
        return run

    async def _steered_run(self, run_id: str, caller: Caller) -> Run:
        run = await self._visible_run(run_id, caller)
        if not caller.steers(run.owner):
            raise RunNotYours(f"Run {run_id} is {run.owner}'s to steer.")
        return run

    async def _find(self, query: RunQuery, caller: Caller) -> AsyncGenerator[Run, None]:
        """The runs that a query asks for and the caller may read, page by page; newest first."""
        query = replace(query, owner=None if caller.reads_others else caller.name)
        while runs := await self._store.find(query):
            for run in runs:
                if _reads(caller, run):
                    yield run
            if len(runs) < query.limit:
                return
            query = replace(query, before=runs[-1].order)


def _reads(caller: Caller, run: Run) -> bool:
    return caller.reads(run.owner, run.request["repo_url"])
