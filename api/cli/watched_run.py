"""A run with somebody in front of it: it is drawn, its plan is asked about, Ctrl-C is heard."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, aclosing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final

from api.cli.ctrl_c import interruptible
from api.cli.keyboard.plan_prompt import PlanHint, PlanQuestion
from api.cli.run_arguments import RunOrder
from api.cli.run_ids import full_id
from api.client.runs_protocol import Runs
from api.client.server_error import ServerError
from api.exit_codes import exit_code
from api.terminal.display.run_display import Event, RunDisplay, follow
from api.terminal.text.option_names import name_options
from graph import Approval, Decision, RunRequest
from graph.errors import (
    CodingAgentError,
    InvalidRepoUrl,
    InvalidRequest,
    LimitRaised,
    ModelNotAllowed,
    RunNotWaiting,
)
from runs.model import RaisedLimits

if TYPE_CHECKING:
    from api.cli.keyboard.message_line import MessageLine

_CARRY_ON: Final = {
    "budget_exhausted": " --max-cost USD",
    "timed_out": " --timeout SECONDS",
    "failed": "",
    "interrupted": "",
    "cancelled": "",
}
"""Ends after which carrying on can help, and what to change. What the gate keeps back it keeps."""
_COMPLETE_IT: Final = {
    "fix_rounds_exhausted": " --max-fix-rounds N",
    "turns_exhausted": "",
    "checks_stopped": "",
}
"""The same for reasons of an incomplete run; what else is missing no further round brings."""
_FIXED: Final = "tokens_spent"
"""The reason of a run whose limit no call raises."""
_WRONG_REQUESTS: Final = frozenset(
    error.code for error in (InvalidRequest, InvalidRepoUrl, LimitRaised, ModelNotAllowed)
)
"""Errors of a run that stay as long as its request does."""


class WatchedRun:
    """`runs` drawn by `drawing`; `suffix` is what a command needs to find the same runs again."""

    def __init__(self, runs: Runs, display: RunDisplay, *, suffix: str, asks: bool) -> None:
        self._runs = runs
        self._display = display
        self._suffix = suffix
        self._asks = asks
        self._run_id: str | None = None
        self._begins = False
        self._is_unwanted = False
        self._cancelling: asyncio.Task[None] | None = None
        self._sending: set[asyncio.Task[None]] = set()
        self._message_line: MessageLine | None = None

    async def run(self, order: RunOrder) -> int:
        """Start a run and stay to its end; Ctrl-C cancels it."""
        if order.note:
            self._display.note(order.note)
        with interruptible(self._leave_terminal, self._cancel_or(_ending_of_this_task())):
            request = await self._whole(order.request)
            run_id = await self._begin(self._runs.start(request))
            code = await self._follow_to_end(run_id)
        if order.output:
            await self._write_diff(run_id, order.output)
        return code

    async def _begin(self, begun: Awaitable[str]) -> str:
        """The id of a run that begins. What Ctrl-C meant meanwhile is done once there is one."""
        self._begins = True
        run_id = self._run_id = await begun
        if self._is_unwanted:
            self._cancelling = asyncio.create_task(self._cancel(run_id))
        return run_id

    async def _whole(self, request: RunRequest) -> RunRequest:
        """The request with the whole id of the run that it follows."""
        parent = request.get("parent_run_id")
        if not parent:
            return request
        return {**request, "parent_run_id": await full_id(self._runs, parent)}

    async def resume(self, run_id: str, limits: RaisedLimits) -> int:
        """Carry a run on and stay to its end; Ctrl-C cancels it."""
        with interruptible(self._leave_terminal, self._cancel_or(_ending_of_this_task())):
            run_id = await full_id(self._runs, run_id)
            await self._begin(self._resumed(run_id, limits))
            return await self._follow_to_end(run_id)

    async def _resumed(self, run_id: str, limits: RaisedLimits) -> str:
        await self._runs.resume(run_id, limits)
        return run_id

    async def answer(self, run_id: str, decision: Decision, feedback: str) -> int:
        """Answer the plan that waits."""
        run_id = await full_id(self._runs, run_id)
        view = await self._runs.view(run_id)
        plan_id = view.get("planId")
        if not isinstance(plan_id, str):
            raise RunNotWaiting(f"Run {run_id} does not wait for an answer: {view.get('status')}.")
        answer = Approval(decision=decision, plan_id=plan_id, feedback=feedback)
        if self._runs.driven_here:
            return await self._watch_until_left(run_id, self._runs.answer_plan(run_id, answer))
        await self._runs.answer_plan(run_id, answer)
        self._display.note(f"Answered. Look on: {self._command('watch', run_id)}")
        return 0

    async def watch(self, run_id: str) -> int:
        """Look on to the run's end; Ctrl-C only looks away."""
        return await self._watch_until_left(await full_id(self._runs, run_id))

    async def _watch_until_left(self, run_id: str, first: Awaitable[None] | None = None) -> int:
        leave = _ending_of_this_task()

        def look_away() -> None:
            self._display.note(f"Left. Look again: {self._command('watch', run_id)}")
            leave()

        with interruptible(self._leave_terminal, look_away):
            if first:
                await first
            return await self._follow_to_end(run_id)

    async def _follow_to_end(self, run_id: str) -> int:
        with ExitStack() as opened:
            if self._asks and self._display.draws:
                self._message_line = opened.enter_context(self._new_message_line(run_id))
            question = self._question()
            try:
                async with aclosing(self._runs.events(run_id)) as events:
                    end = await follow(events, self._display, question) or {}
            finally:
                for task in (self._cancelling, *self._sending):
                    if task:
                        await task
        if (change := _change_to_carry_on(end)) is not None:
            self._display.note(f"Carry it on: {self._command('resume', run_id)}{change}")
        return exit_code(end.get("status"))

    async def _write_diff(self, run_id: str, output: Path) -> None:
        diff = await self._runs.diff(run_id)
        if diff is None:
            self._display.note(f"There is no change to write to {output}.")
            return
        await asyncio.to_thread(output.write_bytes, diff)
        self._display.note(f"The diff is in {output}.")

    def _question(self) -> PlanHint:
        if not self._asks:
            return PlanHint(self._display, self._how_to_answer)
        return PlanQuestion(
            self._display,
            self._how_to_answer,
            runs=self._runs,
            keys=sys.stdin,
            screen=sys.stdout,
            keyboard_left=line.left_to_others if (line := self._message_line) else nullcontext,
        )

    def _new_message_line(self, run_id: str) -> "MessageLine":
        from api.cli.keyboard.message_line import MessageLine

        def send(text: str) -> None:
            task = asyncio.create_task(self._send(run_id, text))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

        return MessageLine(sys.stdin.fileno(), show=self._display.show_typed, send=send)

    async def _send(self, run_id: str, text: str) -> None:
        try:
            await self._runs.message(run_id, text)
        except (CodingAgentError, ServerError) as error:
            self._display.note(f"The message was not taken: {name_options(error.message)}")

    def _leave_terminal(self) -> None:
        if self._message_line:
            self._message_line.stop()
        self._display.pause()

    def _how_to_answer(self, run_id: str) -> str:
        approve = self._command("approve", run_id)
        return f"Answer from anywhere: {approve}\n  (or with --revise TEXT, or --reject)"

    def _command(self, name: str, run_id: str) -> str:
        return f"coding-agent {name} {run_id}{self._suffix}"

    def _cancel_or(self, leave: Callable[[], None]) -> Callable[[], None]:
        """Cancels the run, also one that begins; before one is asked for, leaves."""

        def interrupt() -> None:
            if not self._begins:
                leave()
                return
            self._display.note("Cancelling the run. Ctrl-C again leaves at once.")
            if self._run_id is None:
                self._is_unwanted = True
            else:
                self._cancelling = asyncio.create_task(self._cancel(self._run_id))

        return interrupt

    async def _cancel(self, run_id: str) -> None:
        try:
            await self._runs.cancel(run_id)
        except (CodingAgentError, ServerError) as error:
            if error.code != "run_finished":
                self._display.note(f"It could not be cancelled: {error.message}")


def _change_to_carry_on(end: Event) -> str | None:
    """What `resume` has to change, from a `run.finished`; None where carrying on cannot help."""
    status, reason = str(end.get("status")), str(end.get("reason"))
    if reason == _FIXED or (end.get("error") or {}).get("code") in _WRONG_REQUESTS:
        return None
    return _COMPLETE_IT.get(reason) if status == "incomplete" else _CARRY_ON.get(status)


def _ending_of_this_task() -> Callable[[], None]:
    task = asyncio.current_task()

    def end() -> None:
        if task:
            task.cancel()

    return end
