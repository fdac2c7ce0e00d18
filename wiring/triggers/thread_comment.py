"""Keeps the one comment of a thread as its newest run is."""

import time

from forge.core import Forge, find_comment
from forge.triggers import RunStatus, is_ours, write_comment, write_note
from graph.errors import CodingAgentError, RepositoryNotFound, RunNotFound
from runs import RunService
from runs.deliveries import LEASE_S, Deliveries
from runs.model import RESUMABLE, RunRecord
from wiring.triggers.thread import READER, Thread


class ThreadComments:
    """Makes comments and edits them; `word` begins the commands that they name."""

    def __init__(
        self, deliveries: Deliveries, forge: Forge, runs: RunService, *, word: str, login: str
    ) -> None:
        self._deliveries = deliveries
        self._forge = forge
        self._runs = runs
        self._word = word
        self._login = login

    async def newest(self, thread: Thread) -> RunRecord | None:
        """The thread's newest run; None where there is none, or it was removed."""
        try:
            return await self._runs.get(thread.runs[-1], READER) if thread.runs else None
        except RunNotFound:
            return None

    async def show(self, thread: Thread, *, at_work_s: float = 0) -> None:
        """Bring the comment up to date, and keep the thread.

        Of a run that is at work, or is about to be, it tells after so many seconds again.
        """
        run = await self.newest(thread)
        at_work = run is not None and run.status in ("queued", "running")
        if at_work and thread.shown and 0 <= time.time() - thread.told_at < at_work_s:
            return
        text = write_comment(await self._status(run, thread.note), self._word) if run else ""
        if not run and thread.note:
            text = write_note(thread.note)
        if text and text != thread.shown:
            try:
                done = await self._put(thread, text, waits=at_work_s > 0)
            except CodingAgentError:
                await thread.keep_untold(self._deliveries)
                raise
            if not done:
                await thread.keep_untold(self._deliveries)
                return
            thread.shown, thread.told_at = text, time.time()
        thread.untold_since = None
        waits = bool(thread.message_reviews) or (run is not None and not run.final)
        await thread.keep(self._deliveries, live=waits)

    async def _put(self, thread: Thread, text: str, *, waits: bool) -> bool:
        """Whether it says so now; who `waits` makes no comment that another is about to make."""
        if thread.comment is None and thread.commenting:
            thread.comment = await find_comment(
                self._forge, thread.repo, thread.number, self._login, is_ours
            )
        if thread.comment is not None:
            try:
                await self._forge.edit_comment(thread.repo, thread.comment, text)
            except RepositoryNotFound:  # somebody deleted it, and wants no other
                return True
            return True
        just_now = abs(time.time() - thread.commenting_at) < LEASE_S
        if waits and thread.commenting and just_now:
            return False
        thread.commenting, thread.commenting_at = True, time.time()
        await thread.keep(self._deliveries, live=True)
        thread.comment = await self._forge.create_comment(thread.repo, thread.number, text)
        return True

    async def _status(self, run: RunRecord, note: str) -> RunStatus:
        view = await self._runs.view(run.run_id, READER) if run.final else {}
        return RunStatus(
            run_id=run.run_id,
            status=run.status,
            cost_usd=run.cost_usd,
            reason=run.reason,
            pull_url=run.pr.url if run.pr else None,
            note=note,
            explanation=view.get("explanation") or "",
            resumable=run.status in RESUMABLE,
        )
