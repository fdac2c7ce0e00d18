"""Where a role is played for a run that is driven elsewhere: one call at a time writes.

A call takes the run's role slot: a note in a table, renewed while it works. It begins when the call
before has left, or has not been heard of; it stops when the note is another's, when the run's
record has a newer call's number, or when the run was cancelled.

A call whose machine was taken away is begun a second time. What it would say then might not be
heard, as its items are numbered anew: it ends at once, and its caller makes another call.
"""

import asyncio
import logging
import math
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from pathlib import Path
from typing import Any, Final, TypeVar

from graph import Event, RetryPolicy, Role, RoleResult, RoleTask, RunFolder, retry
from graph.calls import end_tasks
from graph.errors import CodingAgentError, RoleSuperseded, StoreError
from runs.driving import run_folder_files as folder
from runs.remote_roles.caller import wait_visible
from runs.remote_roles.run_notes import NoteReader
from runs.shared.backend import Mount, Table
from runs.shared.version_chain import call_note, message_note, role_note

log = logging.getLogger(__name__)

T = TypeVar("T")

_LOOK_S: Final = 1.5
_LOOKS_A_RENEWAL: Final = 3
_SILENT_S: Final = 10.0
_BELIEVED_S: Final = 2.0
_PAUSE_S: Final = 0.3
_BEAT_S: Final = 10.0
_NOTE_POLICY: Final = RetryPolicy(attempts=4, first_s=0.5)


class RoleWorker:
    """One call of one role, from its task to its answer."""

    def __init__(
        self,
        task: RoleTask,
        *,
        call: str,
        mount: Mount,
        notes: Table,
        runs: NoteReader,
        look_s: float = _LOOK_S,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`call` names all tries of one call; when the next begins, the one before has ended.

        Every `look_s` seconds it looks whether it is still wanted.
        """
        self._call = call
        self.owner_token = secrets.token_hex(8)
        self.run_id = task.run_id
        self.key = role_note(task.run_id)
        self.mount = mount
        self.notes = notes
        self._task = task
        self._told = runs
        self._look_s = look_s
        self._clock, self._wall_clock = clock, wall_clock
        self._items: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._looks = _LOOKS_A_RENEWAL - 1
        """Since the slot's note was renewed; the first look does so, too."""
        self._seen_at = -math.inf
        """When, by `clock`, the slot was seen to be this call's, and no other's for a while."""
        self._numbered = 0
        self._unread = set[int]()

    async def run(self, role: Role[RoleResult]) -> AsyncGenerator[dict[str, Any], None]:
        """The call's name, its events as they come, then its result or its error.

        Empty items say in a silence that it lives.
        """
        yield {"call": self._call}
        work = asyncio.create_task(self._work(role))
        work.add_done_callback(lambda _: self._items.put_nowait(None))
        try:
            while (item := await self._next_item()) is not None:
                yield item
            yield work.result()
        finally:
            await end_tasks(work)

    async def _next_item(self) -> dict[str, Any] | None:
        """The next event, an empty item in a silence, None once the work has ended."""
        try:
            async with asyncio.timeout(_BEAT_S):
                return await self._items.get()
        except TimeoutError:
            return {}

    def is_superseded(self, note: Any) -> bool:
        """Whether another call has, or had, the slot since."""
        superseded = bool(note is None or note["who"] != self.owner_token)
        is_sure = not superseded and self._wall_clock() - note["at"] < _SILENT_S / 2
        self._seen_at = self._clock() if is_sure else -math.inf
        return superseded

    def superseded_error(self) -> RoleSuperseded:
        return RoleSuperseded(
            f"Another call of this run has taken over from call {self._task.fence}."
        )

    async def _work(self, role: Role[RoleResult]) -> dict[str, Any]:
        """The last item: all that was made is committed before."""
        try:
            if not await retry(self._is_first_try, _NOTE_POLICY, on=StoreError):
                await self._leave_slot()
                return {}
            try:
                await self._acquire_slot()
                await wait_visible(self.mount, self._is_handed_over)
                result = (await self._run_while_wanted(role)).model_dump(mode="json")
            finally:
                await self._release_slot()
        except CodingAgentError as error:
            return {"error": error}
        return {"result": result}

    async def _is_first_try(self) -> bool:
        begun = {"at": self._wall_clock()}
        return await self.notes.add(call_note(self._task.run_id, self._call), begun)

    async def _leave_slot(self) -> None:
        """Give the slot up for the first try, which had no time to."""
        if (note := await self.notes.get(self.key)) and note["call"] == self._call:
            await self.notes.pop(self.key)

    async def _acquire_slot(self) -> None:
        """Take the slot once the call before has left it, or is silent."""
        while not await self.notes.add(self.key, self._note()):
            note = await self.notes.get(self.key)
            if not self.is_superseded(note):  # the answer of the call that added it was lost
                return
            if note and note["fence"] > self._task.fence:
                raise self.superseded_error()
            if note and self._wall_clock() - note["at"] > _SILENT_S:
                await self.notes.put(self.key, self._note())
                return
            await asyncio.sleep(_PAUSE_S if note else 0)

    async def _release_slot(self) -> None:
        """Commit what there is, so that nothing of this call comes later; then give the slot up."""
        await self.mount.commit_run(self.run_id)
        await retry(self._pop_own_note, _NOTE_POLICY, on=StoreError)

    async def _pop_own_note(self) -> None:
        """Seen a moment ago, it is there still: others wait until it has been silent for long."""
        is_own = self._clock() - self._seen_at < _BELIEVED_S
        self._seen_at = -math.inf  # if this fails, it may have been done
        if is_own or not self.is_superseded(await self.notes.get(self.key)):
            await self.notes.pop(self.key)

    def _note(self) -> dict[str, Any]:
        now = self._wall_clock()
        return {"fence": self._task.fence, "call": self._call, "who": self.owner_token, "at": now}

    def _is_handed_over(self) -> bool:
        """Whether the folder is as the run left it when it made this call, or later."""
        run = RunFolder.of(self._runs, self._task.run_id)
        try:
            return int((run.root / "fence").read_bytes()) >= self._task.fence
        except (OSError, ValueError):
            return False

    async def _run_while_wanted(self, role: Role[RoleResult]) -> RoleResult:
        """Play the role as long as it is this call's turn; it begins with what the user said."""
        if not await retry(self._look, _NOTE_POLICY, on=StoreError):
            raise self.superseded_error()
        playing = asyncio.ensure_future(role(self._task, self._emit))
        watching = asyncio.create_task(self._watch())
        try:
            await asyncio.wait((playing, watching), return_when=asyncio.FIRST_COMPLETED)
            if playing.done():
                return playing.result()
            watching.result()
            raise self.superseded_error()
        finally:
            await end_tasks(playing, watching)

    def _emit(self, event: Event) -> None:
        self._items.put_nowait({"event": event.model_dump(mode="json")})

    async def _watch(self) -> None:
        """Look after the call; return when it must stop."""
        while True:
            await asyncio.sleep(self._look_s)
            try:
                if not await self._look():
                    return
            except StoreError as error:
                log.warning("cannot look after the %s: %s", self._task.role, error)

    async def _look(self) -> bool:
        """Renew the slot's note, and bring what the user says; whether this call is wanted."""
        told = await self._told.read(self._task.run_id)
        if told is None or told.stopped or told.fence > self._task.fence:
            return False
        self._looks += 1
        if self._looks >= _LOOKS_A_RENEWAL:
            note = await self.notes.get(self.key)
            if self.is_superseded(note):
                return False
            if self._wall_clock() - note["at"] > self._look_s:
                await self.notes.put(self.key, self._note())
            self._looks = 0
        await self._fetch_messages(told.messages)
        return True

    async def _fetch_messages(self, newest: int) -> None:
        """Bring what was said since, and what was numbered before it could be read."""
        run_id = self._task.run_id
        self._unread |= set(range(self._numbered + 1, newest + 1))
        self._numbered = newest
        for number in sorted(self._unread):
            if message := await self.notes.get(message_note(run_id, number)):
                await asyncio.to_thread(
                    folder.write_message, self._runs, run_id, number, message["text"]
                )
                self._unread.discard(number)

    @property
    def _runs(self) -> Path:
        return self.mount.root / "runs"


class RoleWorkerFence:
    """Asks, before each write, whether the slot is still this call's.

    Made on the event loop; its calls are made on other threads, and wait for the loop.
    """

    def __init__(self, worker: RoleWorker) -> None:
        self._worker = worker
        self._loop = asyncio.get_running_loop()

    def check(self) -> None:
        note = self._wait(self._worker.notes.get(self._worker.key))
        if self._worker.is_superseded(note):
            raise self._worker.superseded_error()

    def kept(self) -> None:
        self._wait(self._worker.mount.commit(self._worker.run_id))

    def _wait(self, call: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(call, self._loop).result()
