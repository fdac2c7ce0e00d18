"""The question that a waiting plan asks, on the terminal or by a word on where to answer."""

import asyncio
import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final, TextIO

from pydantic import ValidationError

from api.cli.keyboard.plan_text import plan_from_text, plan_to_text
from api.cli.keyboard.typed_lines import TypedLines
from api.client.runs_protocol import Runs
from api.client.server_error import ServerError
from api.terminal.display.run_display import Event, RunDisplay
from api.terminal.text.option_names import name_options
from graph import Approval, Decision, Plan
from graph.calls import end_tasks, to_the_end
from graph.errors import CodingAgentError, InvalidRequest

_SETTLED_S: Final = 0.2
"""A plan that still waits after this is no old news from the log."""
_ANSWERS: Final[dict[str, Decision]] = {
    "a": "approve",
    "approve": "approve",
    "y": "approve",
    "yes": "approve",
    "r": "revise",
    "revise": "revise",
    "x": "reject",
    "reject": "reject",
    "n": "reject",
    "no": "reject",
}
_BESIDE: Final = frozenset(("message.received", "check.failed", "review.received"))
"""Events after which a plan still waits."""
_EDITS: Final = frozenset(("e", "edit"))
_QUESTION: Final = "[a] approve   [e] edit   [r] revise   [x] reject   > "
_FEEDBACK: Final = "What should be different?   > "


class PlanHint:
    """Says how a waiting plan is answered from elsewhere."""

    def __init__(self, display: RunDisplay, how: Callable[[str], str]) -> None:
        self._display = display
        self._how = how
        self._task: asyncio.Task[None] | None = None

    async def on_event(self, event: Event) -> None:
        if event.get("type") in _BESIDE:
            self._make_room()
            return
        await self.close()
        if event.get("type") == "plan.waiting":
            self._task = asyncio.create_task(self._once_settled(event))

    async def close(self) -> None:
        """An event that moves the run on, or the end, makes the question pointless."""
        task, self._task = self._task, None
        if task:
            await end_tasks(task)
            if not task.cancelled():
                task.result()

    async def _once_settled(self, event: Event) -> None:
        await asyncio.sleep(_SETTLED_S)
        self._display.ring()
        await self._ask(event)

    async def _ask(self, event: Event) -> None:
        self._say_how(event)

    def _make_room(self) -> None:
        """An event is drawn next, while the plan waits on."""

    def _say_how(self, event: Event) -> None:
        self._display.note(self._how(str(event.get("runId"))))


class PlanQuestion(PlanHint):
    """Asks the person at the terminal; an answer from elsewhere ends the question.

    `keyboard_left` keeps others from what is typed while it asks.
    """

    def __init__(
        self,
        display: RunDisplay,
        how: Callable[[str], str],
        *,
        runs: Runs,
        keys: TextIO,
        screen: TextIO,
        keyboard_left: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext,
    ) -> None:
        super().__init__(display, how)
        self._runs = runs
        self._keys = keys
        self._screen = screen
        self._keyboard_left = keyboard_left
        self._asked = ""
        """What stands on the screen and is not answered yet."""

    def _make_room(self) -> None:
        if self._asked:
            self._say("\n")
            asyncio.get_running_loop().call_soon(self._say, self._asked)

    async def _ask(self, event: Event) -> None:
        with self._keyboard_left():
            self._display.pause()
            try:
                while await self._is_to_be_mended(event):
                    pass
            finally:
                self._display.go_on()

    async def _is_to_be_mended(self, event: Event) -> bool:
        """Ask once; whether the answer does not fit, while the plan waits on."""
        with TypedLines(self._keys.fileno()) as typed:
            answer = await self._answer(event, typed)
        if answer is None:
            self._say_how(event)
            return False
        try:
            await self._runs.answer_plan(str(event.get("runId")), answer)
        except (CodingAgentError, ServerError) as error:
            self._display.note(name_options(f"{error.message}\n{error.hint}".strip()))
            return error.code == InvalidRequest.code
        return False

    async def _answer(self, event: Event, typed: TypedLines) -> Approval | None:
        """What the person wants, or None at the end of the input."""
        plan_id = str(event.get("planId"))
        self._say("\n")
        while (line := await self._line(typed, _QUESTION)) is not None:
            word, _, rest = line.strip().partition(" ")
            decision = _ANSWERS.get(word.lower())
            if decision == "revise":
                feedback = rest.strip() or await self._feedback(typed)
                if feedback:
                    return Approval(decision=decision, plan_id=plan_id, feedback=feedback)
            elif decision and not rest:
                return Approval(decision=decision, plan_id=plan_id)
            elif word.lower() in _EDITS and not rest:
                with typed.left_to_others():
                    plan = await self._edit(event)
                if plan:
                    return Approval(decision="approve", plan_id=plan_id, plan=plan)
        self._say("\n")
        return None

    async def _feedback(self, typed: TypedLines) -> str:
        return (await self._line(typed, _FEEDBACK) or "").strip()

    async def _line(self, typed: TypedLines, question: str) -> str | None:
        self._say(question)
        self._asked = question
        try:
            return await typed.next()
        finally:
            self._asked = ""

    async def _edit(self, event: Event) -> Plan | None:
        """The plan as the person's editor leaves it; None where it stays as it is.

        An answer from elsewhere waits until the editor is closed: it has the terminal.
        """
        try:
            plan = Plan.model_validate(event.get("plan"))
        except ValidationError:
            return None
        try:
            text = await to_the_end(asyncio.to_thread(_open_editor, plan_to_text(plan)))
        except OSError as error:
            self._say(f"The editor could not be started: {error.strerror or error}\n")
            return None
        return plan_from_text(text, plan) if text else None

    def _say(self, text: str) -> None:
        self._screen.write(text)
        self._screen.flush()


def _open_editor(text: str) -> str | None:
    """What `$VISUAL`, `$EDITOR` or the system's editor makes of a text; None: nothing was saved.

    Raises OSError where there is none.
    """
    import click

    try:
        return click.edit(text, extension=".txt", require_save=True)
    except click.ClickException as error:
        raise OSError(error.format_message()) from None
