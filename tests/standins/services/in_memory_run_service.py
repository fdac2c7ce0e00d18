"""A run service in memory: runs do nothing but what a test says, and faults come on demand."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from graph.errors import (
    CodingAgentError,
    IdempotencyMismatch,
    InvalidRequest,
    PlanChanged,
    RunActive,
    RunFinished,
    RunNotFound,
    RunNotWaiting,
    RunNotYours,
    TooManyReaders,
)
from graph.events.run_events import PublishedChange
from graph.request.request_rules import RequestRules
from graph.request.run_request import RunRequest
from graph.state import Limits
from graph.values import Approval, Status
from runs.feed import FeedItem, RemovedRow
from runs.figures import Figures
from runs.model.day_budget import NO_DAY_LIMITS, DayLimits
from runs.model.follow_up import follow
from runs.model.operator_limits import NO_RAISE, RaisedLimits
from runs.model.run_record import Caller, LoggedEvent, RunRecord
from runs.model.totals.service_stats import ServiceStats
from runs.store.act import Act

_TIME = 1_700_000_000.0


@dataclass
class MemoryRun:
    record: RunRecord
    events: list[LoggedEvent] = field(default_factory=list)
    diff: bytes | None = None
    cost_usd: float | None = 0.0
    plan_id: str | None = None
    cancelling: bool = False
    messages: list[str] = field(default_factory=list)
    message_calls: set[str] = field(default_factory=set)
    approvals: list[Approval] = field(default_factory=list)


class MemoryService:
    """What the HTTP service calls. `fault` is raised by every call while it is set."""

    def __init__(self, *, max_readers: int = 1000, instant: bool = False) -> None:
        self.runs: dict[str, MemoryRun] = {}
        self.limits = Limits()
        self.rules = RequestRules(allow=("workflows",), models=("m1",))
        self.fault: Exception | None = None
        self.unready: str | None = None
        self.known_figures: list[Figures] = []
        self.reading = 0
        self._observers: list[Callable[[LoggedEvent], None]] = []
        self._max_readers = max_readers
        self._instant = instant
        self._keys: dict[tuple[str, str], str] = {}
        self._changed = asyncio.Event()
        self._closed = False

    @asynccontextmanager
    async def open(self) -> AsyncIterator["MemoryService"]:
        yield self

    # What a test does.

    def add(self, owner: str = "local", *, status: Status = "running", **request: Any) -> str:
        """A run as if it had been started before."""
        run_id = f"{len(self.runs) + 1:026d}"
        given: Any = {"repo_url": "https://github.com/o/r", "prompt": "Change it."}
        record = RunRecord(
            run_id=run_id,
            owner=owner,
            status=status,
            node=None,
            attempt=1,
            request=given | request,
            created_at=time.time(),
            updated_at=time.time(),
            last_seq=0,
        )
        self.runs[run_id] = MemoryRun(record)
        return run_id

    def emit(self, run_id: str, kind: str, **data: Any) -> None:
        run = self.runs[run_id]
        events = run.events
        event = LoggedEvent(
            run_id, len(events) + 1, _TIME + len(events), kind, {"type": kind, **data}
        )
        events.append(event)
        run.record = replace(run.record, last_seq=event.seq)
        for observer in self._observers:
            observer(event)
        self.wake()

    def wake(self) -> None:
        """Let all who wait look again."""
        self._changed.set()
        self._changed = asyncio.Event()

    def close(self) -> None:
        """End all readers, whatever their runs do."""
        self._closed = True
        self.wake()

    def set_status(self, run_id: str, status: Status) -> None:
        run = self.runs[run_id]
        run.record = replace(run.record, status=status)

    def publish(self, run_id: str, url: str) -> None:
        """Let a run have this pull request."""
        run, number = self.runs[run_id], int(url.rpartition("/")[2])
        pr = PublishedChange(url=url, number=number, branch="agent/change", draft=False)
        run.record = replace(run.record, pr=pr)

    def finish(self, run_id: str, status: Status = "succeeded") -> None:
        self.set_status(run_id, status)
        self.emit(run_id, "run.finished", attempt=1, status=status, costUsd=0.0)

    async def reading_is(self, count: int) -> None:
        """Return once so many readers read."""
        while self.reading != count:
            await self._changed.wait()

    # What the HTTP service calls.

    async def start(
        self,
        request: RunRequest,
        *,
        owner: str,
        idempotency_key: str | None = None,
        day: DayLimits = NO_DAY_LIMITS,
    ) -> tuple[RunRecord, bool]:
        self._fail()
        known = self._keys.get((owner, idempotency_key or ""))
        if known:
            if self.runs[known].record.request != request:
                raise IdempotencyMismatch("This Idempotency-Key came with another body.")
            return self.runs[known].record, False
        run_id = self.add(owner)
        run = self.runs[run_id]
        run.record = replace(run.record, request=request)
        if idempotency_key:
            self._keys[owner, idempotency_key] = run_id
        self.emit(run_id, "run.queued", position=0)
        if self._instant:
            self.finish(run_id)
        return self.runs[run_id].record, True

    async def follow(self, request: RunRequest, caller: Caller) -> RunRequest:
        parent_id = request.get("parent_run_id")
        return follow(request, await self.get(parent_id, caller) if parent_id else None)

    async def get(self, run_id: str, caller: Caller) -> RunRecord:
        return self._run(run_id, caller).record

    async def view(self, run_id: str, caller: Caller) -> dict[str, Any]:
        run = self._run(run_id, caller)
        record = run.record
        return {
            **record.row(),
            "plan": None,
            "validations": [],
            "reviews": [],
            "gate": None,
            "usage": {
                "input_tokens": 0,
                "output_tokens": 0,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
            },
            "costUsd": run.cost_usd,
            "roles": {},
            "error": None,
        }

    async def figures(self, caller: Caller, weeks: int) -> tuple[list[Figures], float]:
        self._fail()
        return self.known_figures, 0.0

    async def acts(
        self, caller: Caller, *, limit: int, cursor: str | None
    ) -> tuple[list[Act], str | None]:
        self._fail()
        if cursor is not None:
            raise InvalidRequest("The cursor is not one of this service's.")
        return [], None

    async def was_removed(self, run_id: str, caller: Caller) -> bool:
        return False

    async def page(self, run_id: str, before: int, limit: int) -> list[LoggedEvent]:
        return self.runs[run_id].events[: before - 1][-limit:]

    async def list(
        self,
        caller: Caller,
        *,
        status: Status | None,
        repo: str | None,
        limit: int,
        cursor: str | None,
    ) -> tuple[list[RunRecord], str | None]:
        self._fail()
        if cursor is not None and cursor not in self.runs:
            raise InvalidRequest("The cursor is not one of this service's.")
        records = [
            run.record
            for run_id, run in sorted(self.runs.items(), reverse=True)
            if caller.reads(run.record.owner, run.record.request["repo_url"])
            and (status is None or run.record.status == status)
            and (repo is None or run.record.request["repo_url"].endswith(repo))
            and (cursor is None or run_id < cursor)
        ]
        page = records[:limit]
        return page, page[-1].run_id if len(records) > limit else None

    async def events(self, run_id: str, after: int = 0) -> AsyncIterator[LoggedEvent]:
        while not self._closed:
            changed, run = self._changed, self.runs[run_id]
            self._fail()
            for event in run.events[after:]:
                yield event
                after = event.seq
            if run.record.final and after >= len(run.events):
                return
            await changed.wait()

    async def changes(self, caller: Caller, since: float | None) -> AsyncIterator[FeedItem]:
        told: dict[str, RunRecord] = {}
        while not self._closed:
            changed = self._changed
            self._fail()
            for run_id in told.keys() - self.runs.keys():
                yield RemovedRow(run_id, told.pop(run_id).updated_at)
            for run_id, run in self.runs.items():
                record = run.record
                if told.get(run_id) != record and caller.reads(
                    record.owner, record.request["repo_url"]
                ):
                    told[run_id] = record
                    yield record
            await changed.wait()

    async def wait(self, run_id: str, timeout_s: float) -> RunRecord:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not self.runs[run_id].record.final:
                    await self._changed.wait()
        return self.runs[run_id].record

    async def diff(self, run_id: str, caller: Caller) -> bytes | None:
        return self._run(run_id, caller).diff

    async def cancel(self, run_id: str, caller: Caller) -> bool:
        run = self._own_run(run_id, caller)
        if run.record.final:
            raise RunFinished("The run has ended.")
        asked, run.cancelling = run.cancelling, True
        return not asked

    async def answer_plan(
        self,
        run_id: str,
        caller: Caller,
        approval: Approval,
        day: DayLimits = NO_DAY_LIMITS,
        call: str = "",
    ) -> None:
        run = self._own_run(run_id, caller)
        if run.record.status != "waiting":
            raise RunNotWaiting("The run does not wait.")
        if approval.plan_id != run.plan_id:
            raise PlanChanged("Another plan waits.")
        run.approvals.append(approval)
        self.set_status(run_id, "running")

    async def resume(
        self,
        run_id: str,
        caller: Caller,
        limits: RaisedLimits = NO_RAISE,
        day: DayLimits = NO_DAY_LIMITS,
        call: str = "",
    ) -> RunRecord:
        run = self._own_run(run_id, caller)
        if not run.record.final:
            raise RunActive("The run has not ended.")
        if run.record.status in ("succeeded", "no_changes", "rejected"):
            raise RunFinished("The run is done.")
        request: Any = {**run.record.request, **limits.given()}
        run.record = replace(run.record, status="queued", attempt=2, request=request)
        return run.record

    async def message(self, run_id: str, caller: Caller, text: str, call: str = "") -> None:
        run = self._own_run(run_id, caller)
        if run.record.final:
            raise RunFinished("The run has ended.")
        if not call or call not in run.message_calls:
            run.messages.append(text)
        run.message_calls.add(call)

    async def delete(self, run_id: str, caller: Caller) -> None:
        if not self._own_run(run_id, caller).record.final:
            raise RunActive("The run has not ended.")
        del self.runs[run_id]
        self.wake()

    async def stats(self) -> ServiceStats:
        self._fail()
        statuses = Counter(run.record.status for run in self.runs.values())
        return ServiceStats(dict(statuses), statuses["queued"], 0, 8, self.reading)

    def observe(self, observer: Callable[[LoggedEvent], None]) -> None:
        self._observers.append(observer)

    async def ready(self) -> str | None:
        return self.unready

    @contextmanager
    def readers(self) -> Iterator[None]:
        if self.reading >= self._max_readers:
            raise TooManyReaders("Too many readers.")
        self.reading += 1
        self.wake()
        try:
            yield
        finally:
            self.reading -= 1
            self.wake()

    def _run(self, run_id: str, caller: Caller) -> MemoryRun:
        self._fail()
        run = self.runs.get(run_id)
        if run is None or not caller.reads(run.record.owner, run.record.request["repo_url"]):
            raise RunNotFound("There is no such run.")
        return run

    def _own_run(self, run_id: str, caller: Caller) -> MemoryRun:
        run = self._run(run_id, caller)
        if not caller.steers(run.record.owner):
            raise RunNotYours("The run is another's.")
        return run

    def _fail(self) -> None:
        if self.fault:
            raise self.fault


FAULT = CodingAgentError("secret inside", "secret hint")
