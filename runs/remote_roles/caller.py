"""Calls a role that a function elsewhere plays, and waits until what it made is seen here."""

import asyncio
import hashlib
import logging
import time
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from graph import (
    EVENT,
    ChangeRef,
    ChangeResult,
    Emit,
    RetryPolicy,
    RoleTask,
    RunFolder,
    Value,
)
from graph.errors import (
    CodingAgentError,
    RoleLost,
    RoleSuperseded,
    StoreError,
    StoreFull,
    StoreStale,
    StoreUnavailable,
)
from runs.shared.backend import Mount, Table
from runs.shared.version_chain import call_note, role_note

log = logging.getLogger(__name__)

ResultT = TypeVar("ResultT", bound=Value)
Play = Callable[[dict[str, Any]], AsyncGenerator[dict[str, Any], None]]
"""Starts the function with a task; its events, then its result or its error, a dict each."""

_POLICY: Final = RetryPolicy(attempts=8, first_s=0.5)
"""Of calls in a row that were lost before anything came of them."""
_PASSING: Final = (RoleLost, StoreFull, StoreUnavailable)
_KEPT_EVENTS: Final = frozenset({"usage", "tool.finished"})
"""They come of what is in the transcript."""
_SILENT_S: Final = 60.0
_LATE_S: Final = 900.0
_LEAVE_S: Final = 6.0
_STOPPED_S: Final = 10.0
"""A role that was told to stop may know it before this side, which is stopped meanwhile."""
_SHOWN_S: Final = 60.0
_PAUSE_S: Final = 0.25


class RemoteRole(Generic[ResultT]):
    """A role of the graph. What it needs is committed before it is called."""

    def __init__(
        self,
        play: Play,
        result: type[ResultT],
        *,
        mount: Mount,
        notes: Table,
        policy: RetryPolicy = _POLICY,
        silent_s: float = _SILENT_S,
    ) -> None:
        self._play = play
        self._result: type[ResultT] = result
        self._mount = mount
        self._notes = notes
        self._policy = policy
        self._silent_s = silent_s

    async def __call__(self, task: RoleTask, emit: Emit) -> ResultT:
        await self._mount.commit()
        result = self._result.model_validate(await self._call(task, emit))
        if change := _change_of(result):
            await wait_visible(
                self._mount, lambda: _patch_is_there(self._mount.root, task.run_id, change)
            )
        return result

    async def _call(self, task: RoleTask, emit: Emit) -> dict[str, Any]:
        """The result. A call that was lost is made again, under a number of its own.

        It goes on in the role's transcript and says again, by the same keys, what that holds.
        Losses count only where nothing was added to the transcript between them.
        """
        pauses, stream = self._policy.pauses(), RoleStream(task, emit, self._silent_s)
        try:
            while True:
                try:
                    return await stream.read(self._play(task.model_dump(mode="json")))
                except _PASSING as error:
                    if stream.take_progress():
                        pauses.reset()
                    wait = pauses.next()
                    if wait is None:
                        raise
                    log.warning("the %s of run %s was lost: %s", task.role, task.run_id, error)
                await asyncio.sleep(wait)
        except asyncio.CancelledError:
            await self._wait_for_release(task)
            raise
        finally:
            await self._forget(task, stream.calls)

    async def _wait_for_release(self, task: RoleTask) -> None:
        """Wait a little until the role, which sees for itself that it must stop, has saved."""
        with suppress(StoreError, TimeoutError):
            async with asyncio.timeout(_LEAVE_S):
                while await self._notes.get(role_note(task.run_id)):  # noqa: ASYNC110 - a table
                    await asyncio.sleep(_PAUSE_S)

    async def _forget(self, task: RoleTask, calls: Collection[str]) -> None:
        """Remove the notes of calls that have ended; those that stay expire."""
        try:
            for call in calls:
                await self._notes.pop(call_note(task.run_id, call))
        except StoreError as error:
            log.warning("notes of the %s of run %s stay: %s", task.role, task.run_id, error)


class RoleStream:
    """What the calls of one role say, one call after the other."""

    def __init__(self, task: RoleTask, emit: Emit, silent_s: float) -> None:
        self._task = task
        self._emit = emit
        self._silent_s = silent_s
        self._kept = set[str]()
        self._has_progressed = False
        self.calls = set[str]()
        """Names of the calls that began."""

    def take_progress(self) -> bool:
        """Whether something came of the calls since this was asked last."""
        has_progressed, self._has_progressed = self._has_progressed, False
        return has_progressed

    async def read(self, items: AsyncGenerator[dict[str, Any], None]) -> dict[str, Any]:
        """The result at the end of a call's items. Raises RoleLost where there is none."""
        patience = max(0.0, self._task.budget.deadline - time.time()) + _LATE_S
        async with aclosing(items):
            while True:
                try:
                    async with asyncio.timeout(patience):
                        item = await anext(items)
                except StopAsyncIteration:
                    raise RoleLost(
                        f"The function of the {self._task.role} ended without an answer."
                    ) from None
                except TimeoutError:
                    raise RoleLost(
                        f"The function of the {self._task.role} said nothing for {patience:.0f} s."
                    ) from None
                patience = self._silent_s
                if (result := await self._take(item)) is not None:
                    return result

    async def _take(self, item: dict[str, Any]) -> dict[str, Any] | None:
        """Hand on what an item says; the result, where it is that. Raises its error."""
        if call := item.get("call"):
            self.calls.add(call)
        elif event := item.get("event"):
            said = EVENT.validate_python(event)
            if said.type in _KEPT_EVENTS and said.key not in self._kept:
                self._kept.add(said.key)
                self._has_progressed |= not (said.type == "usage" and said.reckoned)
            self._emit(said)
        elif isinstance(error := item.get("error"), CodingAgentError):
            if isinstance(error, RoleSuperseded):
                await asyncio.sleep(_STOPPED_S)
            raise error
        elif (result := item.get("result")) is not None:
            return dict(result)
        return None


async def wait_visible(mount: Mount, is_there: Callable[[], bool]) -> None:
    """Reload until what was handed over is there. Raises StoreStale where it does not come."""
    waited = 0.0
    while True:
        await mount.reload()
        if await asyncio.to_thread(is_there):
            return
        if waited >= _SHOWN_S:
            raise StoreStale(f"What was handed over is not there after {waited:.0f} s.")
        await asyncio.sleep(_PAUSE_S)
        waited += _PAUSE_S


def _change_of(result: Value) -> ChangeRef | None:
    return result.change if isinstance(result, ChangeResult) else None


def _patch_is_there(root: Path, run_id: str, ref: ChangeRef) -> bool:
    try:
        patch = RunFolder.of(root / "runs", run_id).patch(ref).read_bytes()
    except OSError:
        return False
    return f"sha256:{hashlib.sha256(patch).hexdigest()}" == ref.digest
