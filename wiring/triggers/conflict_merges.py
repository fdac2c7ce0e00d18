"""Merges of the base branch into pull requests of ours that conflict with it."""

import time

from forge.core import Forge
from forge.triggers import Act, act_of_push, write_conflicts_prompt
from runs.deliveries import Deliveries
from wiring.triggers.thread import Thread
from wiring.triggers.thread_comment import ThreadComments
from wiring.triggers.thread_runs import ThreadRuns


class ConflictMerges:
    """Goes on with a pull request of ours once its base branch has moved and conflicts."""

    def __init__(self, deliveries: Deliveries, forge: Forge, thread_runs: ThreadRuns) -> None:
        self._deliveries = deliveries
        self._forge = forge
        self._thread_runs = thread_runs

    async def look_at_pulls(self, push: Act, login: str) -> None:
        """Have each pull request of ours to a branch that moved looked at by itself.

        Raises CodingAgentError.
        """
        for number in await self._forge.open_pulls(push.repo, push.text, login):
            act = act_of_push(push, number)
            await self._deliveries.add(act.key, act.model_dump(mode="json"), time.time())

    async def merge(self, act: Act, thread: Thread, comments: ThreadComments, login: str) -> bool:
        """Start a run where there is a conflict; False where that is known or possible only later.

        Raises CodingAgentError.
        """
        if act.key in thread.begun:
            return True
        if thread.pending is None or thread.pending.key != act.key:
            state = await self._forge.pull_state(act.repo, act.number)
            new = state.open and state.author == login and state.head != thread.merged_head
            if not new or state.mergeable:
                return True
            run = await comments.newest(thread)
            if thread.pending or state.mergeable is None or (run and not run.final):
                return False
            if await self._thread_runs.is_busy(thread):
                return False
            prompt = write_conflicts_prompt(state.base_branch)
            thread.pending = await self._thread_runs.request_own(
                thread, login, key=act.key, prompt=prompt, merge=True
            )
            if thread.pending is None:
                return True
            thread.merged_head = state.head
        await self._thread_runs.start_pending(thread)
        return True
