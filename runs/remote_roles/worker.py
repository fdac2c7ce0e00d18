"""Where a role is played for a run that is driven elsewhere: one call at a time writes.

A call takes the run's role slot: a note in a table, renewed while it works. It begins when the call
before has left, or has not been heard of; it stops when the note is another's, when the run's
record has a newer call's number, or when the run was cancelled.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any, Final

from graph import Event, Role, RoleResult, RoleTask, RunFolder
from graph.errors import CodingAgentError, RoleSuperseded, StoreError
from runs.driving import run_folder_files as folder
from runs.model.run import Run
from runs.remote_roles.caller import wait_visible
from runs.shared.backend import Mount, Table
from runs.shared.version_chain import VersionChain, message_note, result_note, role_note

log = logging.getLogger(__name__)

_LOOK_S: Final = 1.5
_SILENT_S: Final = 10.0
_PAUSE_S: Final = 0.3


class RoleWorker:
    """One call of one role, from its task to its answer."""

    def __init__(
        self, task: RoleTask, *, call: str, mount: Mount, notes: Table, chain: VersionChain
    ) -> None:
        """`call` names all tries of one call; when the next begins, the one before has ended."""
        self._call = call
        self.owner_token = secrets.token_hex(8)
        self.key = role_note(task.run_id)
        self._task = task
        self._mount = mount
        self._notes = notes
        self._chain = chain
        self._items: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._messages = 0

    async def run(self, role: Role[RoleResult]) -> AsyncGenerator[dict[str, Any], None]:
        """The call's events as they come, then its result or its error."""
        work = asyncio.create_task(self._work(role))
        try:
            while not (work.done() and self._items.empty()):
                coming = asyncio.create_task(self._items.get())
                await asyncio.wait((coming, work), return_when=asyncio.FIRST_COMPLETED)
                if coming.done():
                    yield coming.result()
                else:
                    coming.cancel()
            yield work.result()
        finally:
            work.cancel()
            await asyncio.wait((work,))

    def is_superseded(self, note: Any) -> bool:
        """Whether another call has, or had, the slot since."""
        return note is None or note["who"] != self.owner_token

    def superseded_error(self) -> RoleSuperseded:
        return RoleSuperseded(
            f"Another call of this run has taken over from call {self._task.fence}."
        )

    async def _work(self, role: Role[RoleResult]) -> dict[str, Any]:
        """The last item: all that was made is committed before."""
        task = self._task
        try:
            await self._acquire_slot()
            try:
                await wait_visible(self._mount, self._is_handed_over)
                result = (await self._run_while_wanted(role)).model_dump(mode="json")
                await self._mount.commit()
                note = {"fence": task.fence, "result": result}
                await self._notes.put(result_note(task.run_id, task.step), note)
            finally:
                await self._release_slot()
        except CodingAgentError as error:
            return {"error": error}
        return {"result": result}

    async def _acquire_slot(self) -> None:
        """Take the slot once the call before has left it, or is silent."""
        while note := await self._notes.get(self.key):
            if note["fence"] > self._task.fence:
                raise self.superseded_error()
            if note["call"] == self._call or time.time() - note["at"] > _SILENT_S:
                break
            await asyncio.sleep(_PAUSE_S)
        await self._notes.put(self.key, self._note())

    async def _release_slot(self) -> None:
        """Commit what there is, so that nothing of this call comes later; then give the slot up."""
        await self._mount.commit()
        if not self.is_superseded(await self._notes.get(self.key)):
            await self._notes.pop(self.key)

    def _note(self) -> dict[str, Any]:
        now = time.time()
        return {"fence": self._task.fence, "call": self._call, "who": self.owner_token, "at": now}

    def _is_handed_over(self) -> bool:
        """Whether the folder is as the run left it when it made this call, or later."""
        run = RunFolder.of(self._runs, self._task.run_id)
        try:
            return int((run.root / "fence").read_bytes()) >= self._task.fence
        except (OSError, ValueError):
            return False

    async def _run_while_wanted(self, role: Role[RoleResult]) -> RoleResult:
        """Play the role as long as it is this call's turn."""
        playing = asyncio.ensure_future(role(self._task, self._emit))
        watching = asyncio.create_task(self._watch())
        try:
            await asyncio.wait((playing, watching), return_when=asyncio.FIRST_COMPLETED)
            if playing.done():
                return playing.result()
            watching.result()
            raise self.superseded_error()
        finally:
            for task in (playing, watching):
                task.cancel()
            await asyncio.wait((playing, watching))

    def _emit(self, event: Event) -> None:
        self._items.put_nowait({"event": event.model_dump(mode="json")})

    async def _watch(self) -> None:
        """Return when this call must stop; bring what the user says, and renew the slot's note."""
        task = self._task
        while True:
            try:
                version = await self._chain.newest(task.run_id)
                run = version.run if version else None
                note = await self._notes.get(self.key)
                if self.is_superseded(note) or not _still_needs(run, task):
                    return
                await self._notes.put(self.key, self._note())
                if run:
                    await self._fetch_messages(run)
            except StoreError as error:
                log.warning("cannot look after the %s: %s", task.role, error)
            await asyncio.sleep(_LOOK_S)

    async def _fetch_messages(self, run: Run) -> None:
        while self._messages < run.messages:
            number = self._messages + 1
            message = await self._notes.get(message_note(run.run_id, number))
            if message:
                await asyncio.to_thread(
                    folder.write_message, self._runs, run.run_id, number, message["text"]
                )
            self._messages = number

    @property
    def _runs(self) -> Path:
        return self._mount.root / "runs"


class RoleWorkerFence:
    """Asks, before each write, whether the slot is still this call's. Both calls may block."""

    def __init__(
        self, worker: RoleWorker, note: Callable[[], Any], commit: Callable[[], None]
    ) -> None:
        self._worker = worker
        self._note = note
        self._commit = commit

    def check(self) -> None:
        if self._worker.is_superseded(self._note()):
            raise self._worker.superseded_error()

    def kept(self) -> None:
        self._commit()


def _still_needs(run: Run | None, task: RoleTask) -> bool:
    """Whether the run still waits for this call."""
    return run is not None and not run.final and not run.cancelling and run.fence <= task.fence
