"""How far a run is that goes on with a pull request: a check on the head that it began with."""

import asyncio
import logging
import time
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from forge.base.pull_ground import read_pull_head
from forge.core.forge import Forge
from forge.core.own_checks import PROGRESS_CHECK
from forge.git.command import Git
from forge.receipt.check_pages import CheckPages
from graph import Base, NodeName, Progress, RunFolder, Status, Value
from graph.calls import end_tasks, to_the_end
from graph.errors import CodingAgentError
from graph.files import write_whole

log = logging.getLogger(__name__)

_EVERY_S: Final = 60.0
"""So often a check is brought up to date, as comments are: each costs a call."""
_LAST_S: Final = 10.0
"""So long what is about to be shown may hold up a run's end: GitHub may have it wait longer."""
_AT_WORK: Final[dict[NodeName, str]] = {
    "prepare": "Getting ready",
    "plan": "Planning",
    "approve": "The plan waits for an answer",
    "code": "Writing the change",
    "validate": "Running the checks",
    "review": "Reviewing",
    "fix": "Fixing",
    "publish": "Publishing",
}
_ENDED: Final[dict[Status, str]] = {
    "succeeded": "Done",
    "no_changes": "Done: nothing to change",
    "incomplete": "Not finished",
    "blocked": "Not published",
    "budget_exhausted": "Stopped: the money or tokens of the run are used up",
    "timed_out": "Stopped: the time of the run is used up",
    "failed": "Failed",
    "rejected": "The plan was rejected",
}
_STOPPED: Final = "Stopped"


class _Shown(Value):
    """What a run's folder keeps: the check of `commit`, None where none is known or made."""

    full_name: str
    commit: str
    check: int | None = None
    ended: bool = False


class CheckProgress(Progress):
    """Checks of an App. What is shown of a run is shown in turn, and nobody waits for it."""

    def __init__(
        self, runs: Path, forge: Forge, *, every_s: float = _EVERY_S, last_s: float = _LAST_S
    ) -> None:
        self._runs = runs
        self._forge = forge
        self._every_s = every_s
        self._last_s = last_s
        self._git = Git(forge.access, hide=(str(runs),))
        self._refused = set[str]()
        self._told_at: dict[str, float] = {}
        self._work: dict[str, asyncio.Task[None]] = {}

    def show(self, run_id: str, base: Base, node: NodeName) -> None:
        if base.pull is None or not self._forge.makes_checks or run_id in self._refused:
            return
        now = time.monotonic()
        if run_id in self._told_at and now - self._told_at[run_id] < self._every_s:
            return
        self._told_at[run_id] = now
        before = self._work.get(run_id)
        self._work[run_id] = asyncio.create_task(self._show(run_id, base, _AT_WORK[node], before))

    def work(self, run_id: str) -> asyncio.Task[None]:
        """What is about to be shown of a run."""
        return self._work[run_id]

    async def end(self, run_id: str, status: Status | None) -> None:
        if not self._forge.makes_checks:
            return
        if work := self._work.pop(run_id, None):
            await asyncio.wait([work], timeout=self._last_s)
            await end_tasks(work)
        self._told_at.pop(run_id, None)
        self._refused.discard(run_id)
        file = self._file(run_id)
        shown = await asyncio.to_thread(_load, file)
        if shown is None or shown.check is None or shown.ended:
            return
        title = _ENDED.get(status, _STOPPED) if status else _STOPPED
        await self._checks(shown.full_name).close(shown.check, f"{title}.")
        try:
            await _keep(file, shown.model_copy(update={"ended": True}))
        except OSError as error:
            log.warning("run %s does not keep how it ended: %s", run_id, type(error).__name__)

    async def _show(
        self, run_id: str, base: Base, title: str, before: asyncio.Task[None] | None
    ) -> None:
        if before:
            try:
                await asyncio.wait([before])
            finally:
                await end_tasks(before)
        try:
            await self._begin_or_show(run_id, base, f"{title}.")
        except (CodingAgentError, OSError) as error:
            log.warning("run %s does not show how far it is: %s", run_id, type(error).__name__)

    async def _begin_or_show(self, run_id: str, base: Base, title: str) -> None:
        """Begin a check, once for each time that the run is at work."""
        file = self._file(run_id)
        shown = await asyncio.to_thread(_load, file)
        checks = self._checks(base.full_name, title)
        if shown and shown.check is not None and not shown.ended:
            await checks.show(shown.check, title)
            return
        known = shown if shown and not shown.ended else None
        if known is None:
            base_git = RunFolder.of(self._runs, run_id).base_git
            head = await read_pull_head(self._git, base_git, base.full_name)
            known = _Shown(full_name=base.full_name, commit=head.sha)
            await _keep(file, known)
        login = (await self._forge.account(full_name=base.full_name)).login
        check = await checks.begin(known.commit, base.branch, login, maybe_there=known is shown)
        if check is None:
            self._refused.add(run_id)
        await to_the_end(_keep(file, known.model_copy(update={"check": check})))

    def _checks(self, full_name: str, title: str = "") -> CheckPages:
        return CheckPages(self._forge, full_name, PROGRESS_CHECK, title, left=_STOPPED)

    def _file(self, run_id: str) -> Path:
        return RunFolder.of(self._runs, run_id).root / "progress.json"


def _load(file: Path) -> _Shown | None:
    """What is kept; what cannot be read is as if it were not there."""
    try:
        return _Shown.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return None


async def _keep(file: Path, shown: _Shown) -> None:
    await asyncio.to_thread(write_whole, file, shown.model_dump_json().encode())
