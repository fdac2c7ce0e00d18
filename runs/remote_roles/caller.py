"""Calls a role that a function elsewhere plays, and waits until what it made is seen here."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from graph import (
    EVENT,
    ChangeRef,
    ChangeResult,
    Emit,
    RoleTask,
    RunFolder,
    Value,
)
from graph.errors import CodingAgentError, RoleLost, RoleSuperseded, StoreError, StoreStale
from runs.shared.backend import Mount, Table
from runs.shared.version_chain import result_note, role_note

log = logging.getLogger(__name__)

ResultT = TypeVar("ResultT", bound=Value)
Play = Callable[[dict[str, Any]], AsyncGenerator[dict[str, Any], None]]
"""Starts the function with a task; its events, then its result or its error, a dict each."""

_TRIES: Final = 3
_LOOK_S: Final = 3.0
_GRACE_S: Final = 3.0
_LEAVE_S: Final = 6.0
_STOPPED_S: Final = 10.0
"""A role that was told to stop may know it before this side, which is stopped meanwhile."""
_SHOWN_S: Final = 60.0
_PAUSE_S: Final = 0.25


class RemoteRole(Generic[ResultT]):
    """A role of the graph. What it needs is committed before it is called."""

    def __init__(self, play: Play, result: type[ResultT], *, mount: Mount, notes: Table) -> None:
        self._play = play
        self._result: type[ResultT] = result
        self._mount = mount
        self._notes = notes

    async def __call__(self, task: RoleTask, emit: Emit) -> ResultT:
        await self._mount.commit()
        result = self._result.model_validate(await self._call(task, emit))
        if change := _change_of(result):
            await wait_visible(
                self._mount, lambda: _patch_is_there(self._mount.root, task.run_id, change)
            )
        await self._notes.pop(result_note(task.run_id, task.step))
        return result

    async def _call(self, task: RoleTask, emit: Emit) -> dict[str, Any]:
        """The result. A call that was lost is made again: it goes on in its transcript."""
        for tried in range(1, _TRIES + 1):
            try:
                return await self._call_once(task, emit)
            except RoleLost as error:
                if tried == _TRIES:
                    raise
                log.warning("the %s of run %s was lost: %s", task.role, task.run_id, error)
            except asyncio.CancelledError:
                await self._wait_for_release(task)
                raise
        raise RoleLost(f"The {task.role} did not answer.")

    async def _call_once(self, task: RoleTask, emit: Emit) -> dict[str, Any]:
        """Listen; and look for the result, too, in case that what is listened to has broken off."""
        listening = asyncio.create_task(self._listen(task, emit))
        try:
            while True:
                await asyncio.wait((listening,), timeout=_LOOK_S)
                if listening.done():
                    return listening.result()
                if found := await self._find_result(task):
                    await asyncio.wait((listening,), timeout=_GRACE_S)
                    return listening.result() if listening.done() else found
        finally:
            listening.cancel()
            await asyncio.wait((listening,))
            if not listening.cancelled():
                listening.exception()

    async def _listen(self, task: RoleTask, emit: Emit) -> dict[str, Any]:
        async with aclosing(self._play(task.model_dump(mode="json"))) as items:
            async for item in items:
                if event := item.get("event"):
                    emit(EVENT.validate_python(event))
                elif isinstance(error := item.get("error"), CodingAgentError):
                    if isinstance(error, RoleSuperseded):
                        await asyncio.sleep(_STOPPED_S)
                    raise error
                elif (result := item.get("result")) is not None:
                    return dict(result)
        if found := await self._find_result(task):
            return found
        raise RoleLost(f"The function of the {task.role} ended without an answer.")

    async def _wait_for_release(self, task: RoleTask) -> None:
        """Wait a little until the role, which sees for itself that it must stop, has saved."""
        with suppress(StoreError, TimeoutError):
            async with asyncio.timeout(_LEAVE_S):
                while await self._notes.get(role_note(task.run_id)):  # noqa: ASYNC110 - a table
                    await asyncio.sleep(_PAUSE_S)

    async def _find_result(self, task: RoleTask) -> dict[str, Any] | None:
        try:
            note = await self._notes.get(result_note(task.run_id, task.step))
        except StoreError as error:
            log.warning("cannot look for the answer of the %s: %s", task.role, error)
            return None
        return dict(note["result"]) if note and note["fence"] == task.fence else None


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
