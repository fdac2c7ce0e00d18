"""Brings what one drive reports into the log, in order, many events a transaction."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from graph import Retry, RetryPolicy
from graph.errors import StoreError
from runs.model import transitions
from runs.model.attempts import Step
from runs.model.log_entry import Entry, entry
from runs.model.run import OpenNode, Run
from runs.store.patience import STORE_POLICY, when_available
from runs.store.protocol import Store

_BATCH: Final = 200


class EventWriter:
    """Takes entries at once and writes them behind; `failed` is told why it can write no more.

    Where each writing costs much, it waits for `gather_s` for more, unless `hasten` or `flush` is
    called. A store that cannot be written is waited for by `policy`; the log says then how long
    that took.
    """

    def __init__(
        self,
        store: Store,
        run_id: str,
        token: str,
        on_failure: Callable[[Exception], None],
        *,
        open_node: Callable[[], OpenNode | None] = lambda: None,
        gather_s: float = 0.0,
        policy: RetryPolicy = STORE_POLICY,
    ) -> None:
        self._store = store
        self._run_id = run_id
        self._token = token
        self._on_failure = on_failure
        self._pending: list[Entry] = []
        self._task: asyncio.Task[None] | None = None
        self._is_broken = False
        self._open_node = open_node
        self._gather_s = gather_s
        self._policy = policy
        self._wanted = asyncio.Event()
        self.newest: tuple[float, Run] | None = None
        """The run as it was recorded last, and when (monotonic) that was asked for."""
        self._flushes = 0

    def put(self, entry: Entry) -> None:
        self._pending.append(entry)
        if self._task is None and not self._is_broken:
            self._task = asyncio.create_task(self._write())

    def hasten(self) -> None:
        """Write what was put without waiting for more."""
        self._wanted.set()

    async def flush(self) -> None:
        """Return once all that was put is durable, or cannot be."""
        self._flushes += 1
        self._wanted.set()
        try:
            while self._task is not None:
                await asyncio.shield(self._task)
        finally:
            self._flushes -= 1
            self._end_haste()

    async def _write(self) -> None:
        try:
            while self._pending:
                await self._gather()
                batch = self._pending[:_BATCH]
                await self._record(batch)
                del self._pending[: len(batch)]
        except Exception as error:  # noqa: BLE001 - handed on, whatever it is
            self._is_broken = True
            self._on_failure(error)
        finally:
            self._task = None

    async def _record(self, batch: list[Entry]) -> None:
        begun, failures = time.monotonic(), list[StoreError]()

        def record(run: Run) -> Step:
            told = self._waited(failures, time.monotonic() - begun) if failures else ()
            entries = (*batch, *told)
            return transitions.record(
                run, token=self._token, now=time.time(), entries=entries, node=self._open_node()
            )

        async def transact() -> None:
            asked = time.monotonic()
            try:
                run = await self._store.transact(self._run_id, record)
            except StoreError as error:
                failures.append(error)
                raise
            self.newest = (asked, run) if run else None

        await when_available(transact, self._policy, what=f"the log of run {self._run_id}")

    @staticmethod
    def _waited(failures: list[StoreError], seconds: float) -> tuple[Entry, ...]:
        """The event that tells of a wait that is over."""
        event = Retry(
            what="store",
            attempt=len(failures) + 1,
            wait_ms=round(seconds * 1000),
            reason=failures[0].code,
        )
        return (entry(event),)

    async def _gather(self) -> None:
        if not self._gather_s:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self._gather_s):
                await self._wanted.wait()
        self._end_haste()

    def _end_haste(self) -> None:
        if not self._flushes:
            self._wanted.clear()
