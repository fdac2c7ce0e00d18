"""Starts the runs of threads, within the limits of a day."""

import time
from contextlib import suppress
from typing import Final

from graph import RunRequest
from graph.errors import RunNotFound
from runs import RunService
from runs.deliveries import Deliveries
from runs.model import DayLimits, RunRecord, day_began
from wiring.triggers.rules import MOST_FIXES, MOST_RUNS_A_DAY, TriggerRules
from wiring.triggers.thread import READER, PendingStart, Thread

_KEPT_RUNS: Final = 50
_LOOKED_AT: Final = 100
_LEAST_USD: Final = 0.05


class ThreadRuns:
    """Runs of a thread. What is about to be started is kept first: a run has its key."""

    def __init__(
        self, deliveries: Deliveries, runs: RunService, rules: TriggerRules, day: DayLimits
    ) -> None:
        self._deliveries = deliveries
        self._runs = runs
        self._rules = rules
        self._day = day

    async def start_pending(self, thread: Thread) -> None:
        """Start what is pending, or find it started. Raises RequestError, RunError."""
        pending = thread.pending
        if pending is None:
            return
        await thread.keep(self._deliveries, live=True)
        record, _ = await self._runs.start(
            pending.request,
            owner=pending.owner,
            idempotency_key=pending.key,
            day=self._day,
            received=pending.received,
        )
        thread.runs = [*(each for each in thread.runs if each != record.run_id), record.run_id]
        thread.runs = thread.runs[-_KEPT_RUNS:]
        thread.begun = [*thread.begun, pending.key][-_KEPT_RUNS:]
        thread.pending = None

    async def request_own(
        self, thread: Thread, login: str, *, key: str, prompt: str, merge: bool = False
    ) -> PendingStart | None:
        """A run that nobody has asked for; None, with a note, where there were too many.

        `merge`: it begins with a merge of the base branch. Raises StoreError.
        """
        if thread.fixes >= MOST_FIXES:
            thread.note = (
                f"{MOST_FIXES} fixes in a row did not suffice. To go on, comment"
                f" {self._rules.word} and what to do."
            )
            return None
        if (left_usd := await self.money_left(thread)) is None:
            return None
        address = f"{self._rules.web}/{thread.repo}"
        url = f"{address}/pull/{thread.number}"
        request = RunRequest(repo_url=address, prompt=prompt, pull_request_url=url)
        if merge:
            request["merge_base"] = True
        if left_usd:
            request["max_cost_usd"] = left_usd
        thread.note, thread.fixes = "", thread.fixes + 1
        return PendingStart(key=key, owner=thread.owner or f"github:{login}", request=request)

    async def runs_of_pull(self, thread: Thread) -> list[RunRecord]:
        """Runs that opened the pull request or go on with it, whoever began them, newest first.

        Of an issue there are none; of the repository's runs the newest are looked at. Raises
        StoreError.
        """
        address = f"{self._rules.web}/{thread.repo}"
        listed, _ = await self._runs.list(READER, repo=address, limit=_LOOKED_AT)
        url = f"{address}/pull/{thread.number}".lower()
        return [run for run in listed if url in _pulls_of(run)]

    async def is_busy(self, thread: Thread) -> bool:
        """Whether a run goes on with the pull request, whoever began it. Raises StoreError."""
        return any(not run.final for run in await self.runs_of_pull(thread))

    async def money_left(self, thread: Thread) -> float | None:
        """What a run may cost (0: no limit); None, with a note, where the day is used up.

        Raises StoreError: what cannot be counted is not taken for nothing.
        """
        began = day_began(time.time())
        runs = {run.run_id: run for run in await self.runs_of_pull(thread)}
        for run_id in thread.runs:
            with suppress(RunNotFound):
                runs[run_id] = await self._runs.get(run_id, READER)
        today = [run for run in runs.values() if run.created_at >= began]
        cost, count = sum(run.cost_usd or 0.0 for run in today), len(today)
        rules = self._rules
        left = rules.thread_usd - cost if rules.thread_usd else rules.max_cost_usd
        spent = bool(rules.thread_usd) and left < _LEAST_USD
        if spent or count >= MOST_RUNS_A_DAY:
            limit = f"${rules.thread_usd:.2f}" if spent else f"{MOST_RUNS_A_DAY} runs"
            thread.note = f"The limit of a day here, {limit}, is reached. It ends at 0:00 UTC."
            return None
        return min(left, rules.max_cost_usd) if rules.max_cost_usd else left


def _pulls_of(run: RunRecord) -> tuple[str, str]:
    """Addresses of the pull request that a run is about, and of the one that it has made."""
    made = run.pr.url if run.pr else None
    return str(run.request.get("pull_request_url") or "").lower(), (made or "").lower()
