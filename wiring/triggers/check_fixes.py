"""Fixes of checks that fail on what we pushed, at most three until a person acts."""

import time
from collections.abc import Sequence
from typing import Final

from forge.core import CheckRun, Forge, PullState
from forge.triggers import Act, act_of_status, write_checks_prompt
from graph import CheckFailed, FailedJob
from runs.deliveries import Deliveries
from wiring.triggers.rules import MOST_FIXES, TriggerRules
from wiring.triggers.thread import PendingStart, Thread
from wiring.triggers.thread_comment import ThreadComments
from wiring.triggers.thread_runs import ThreadRuns

_LOGS: Final = 5
_MOST_TOLD: Final = 50
_LONGEST_NAME: Final = 200
_LONGEST_URL: Final = 1000
_MOST_RERUNS: Final = 10
"""Runs of automation on one head."""
_SHOWN_AFTER_S: Final = 60.0
"""By then the forge shows that a check is run again."""


class CheckFixes:
    """Goes on with a pull request of ours once all checks of its head have ended."""

    def __init__(
        self, deliveries: Deliveries, forge: Forge, thread_runs: ThreadRuns, rules: TriggerRules
    ) -> None:
        self._deliveries = deliveries
        self._forge = forge
        self._thread_runs = thread_runs
        self._rules = rules

    async def look_at_pulls(self, status: Act, login: str) -> None:
        """Have each pull request of ours looked at that holds a commit. Raises CodingAgentError."""
        for number in await self._forge.pulls_of_commit(status.repo, status.text, login):
            act = act_of_status(status, number)
            await self._deliveries.add(act.key, act.model_dump(mode="json"), time.time())

    async def fix(self, act: Act, thread: Thread, comments: ThreadComments, login: str) -> bool:
        """Start a run where checks fail that the change has broken; False where that is too early.

        A run that is at work there may end without a push. Raises CodingAgentError.
        """
        state = await self._forge.pull_state(act.repo, act.number)
        if thread.pending is None:
            if not _is_new(thread, state, login):
                return True
            run = await comments.newest(thread)
            if (run and not run.final) or await self._thread_runs.is_busy(thread):
                return False
            if not await self._is_own(act, state, login):
                return True
            thread.note = ""
            thread.pending = await self._request(act, thread, state, login)
            if thread.pending is None:
                return True
            thread.fixed_head = state.head
        await self._thread_runs.start_pending(thread)
        return True

    async def _is_own(self, act: Act, state: PullState, login: str) -> bool:
        """Whether we have pushed the head."""
        author = await self._forge.commit_author(act.repo, state.head)
        return author.login == login or author.email.lower() == self._rules.author_email

    async def _request(
        self, act: Act, thread: Thread, state: PullState, login: str
    ) -> PendingStart | None:
        broken = await self._broken(act.repo, state)
        if not broken or await self._run_again(thread, state, broken):
            return None
        logs = {each.name: "" for each in broken}
        if thread.fixes < MOST_FIXES:
            for each in [each for each in broken if each.job][:_LOGS]:
                logs[each.name] = await self._forge.job_log(act.repo, each.job or 0)
        key, prompt = f"checks:{thread.name}:{state.head}", write_checks_prompt(logs)
        pending = await self._thread_runs.request_own(thread, login, key=key, prompt=prompt)
        received = _event_of(state.head, broken)
        return pending and pending.model_copy(update={"received": received})

    async def _run_again(
        self, thread: Thread, state: PullState, broken: Sequence[CheckRun]
    ) -> bool:
        """Whether checks are run once more, whose end is told of; once a head.

        What is about to be asked for is kept first. Until the forge shows another try of a check,
        its failure says nothing new.
        """
        awaited = [each for each in broken if each.number in thread.rerun]
        if state.head == thread.rerun_head and (thread.rerun_asked or not awaited):
            return bool(awaited) and 0 <= time.time() - thread.rerun_at < _SHOWN_AFTER_S
        thread.rerun_head, thread.rerun_asked = state.head, False
        thread.rerun = [each.number for each in broken if each.run]
        await thread.keep(self._deliveries, live=False)
        runs = list(dict.fromkeys(each.run for each in broken if each.run))[:_MOST_RERUNS]
        asked = [run for run in runs if await self._forge.run_failed_again(thread.repo, run)]
        thread.rerun = [each.number for each in broken if each.run in asked]
        thread.rerun_asked, thread.rerun_at = True, time.time()
        return bool(asked)

    async def _broken(self, repo: str, state: PullState) -> Sequence[CheckRun]:
        """What fails here and not on the base branch."""
        base = await self._forge.checks_of(repo, state.base_branch)
        failing = {each.name for each in base if each.failed}
        return [each for each in state.failed if each.name not in failing]


def _is_new(thread: Thread, state: PullState, login: str) -> bool:
    """Whether all checks of a head have ended that nobody has fixed yet, and some have failed."""
    ended = state.open and state.ended and bool(state.failed)
    return ended and state.head != thread.fixed_head and state.author == login


def _event_of(head: str, broken: Sequence[CheckRun]) -> CheckFailed:
    """What the run's log tells; names and addresses are whatever automation gave."""
    jobs = tuple(
        FailedJob(name=each.name[:_LONGEST_NAME], url=each.url[:_LONGEST_URL])
        for each in broken[:_MOST_TOLD]
    )
    return CheckFailed(key=f"checks:{head}", head=head, jobs=jobs)
