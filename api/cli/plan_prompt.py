"""The question that a waiting plan asks, on the terminal or by a word on where to answer."""

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Final, TextIO

from api.client.runs_protocol import Runs
from api.client.server_error import ServerError
from api.terminal.display.run_display import Event, RunDisplay
from graph import Approval, Decision
from graph.errors import CodingAgentError

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
_QUESTION: Final = "[a] approve   [r] revise   [x] reject   > "
_FEEDBACK: Final = "What should be different?   > "


class PlanHint:
    """Says how a waiting plan is answered from elsewhere."""

    def __init__(self, display: RunDisplay, how: Callable[[str], str]) -> None:
        self._display = display
        self._how = how
        self._task: asyncio.Task[None] | None = None

    async def on_event(self, event: Event) -> None:
        await self.close()
        if event.get("type") == "plan.waiting":
            self._task = asyncio.create_task(self._once_settled(event))

    async def close(self) -> None:
        """Any further event, or the end, makes the question pointless."""
        task, self._task = self._task, None
        if task:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _once_settled(self, event: Event) -> None:
        await asyncio.sleep(_SETTLED_S)
        await self._ask(str(event.get("runId")), str(event.get("planId")))

    async def _ask(self, run_id: str, plan_id: str) -> None:  # noqa: ARG002  # PlanQuestion's
        self._display.note(self._how(run_id))


class PlanQuestion(PlanHint):
    """Asks the person at the terminal; an answer from elsewhere ends the question."""

    def __init__(
        self,
        display: RunDisplay,
        how: Callable[[str], str],
        *,
        runs: Runs,
        keys: TextIO,
        screen: TextIO,
    ) -> None:
        super().__init__(display, how)
        self._runs = runs
        self._keys = keys
        self._screen = screen

    async def _ask(self, run_id: str, plan_id: str) -> None:
        self._display.pause()
        try:
            async with contextlib.aclosing(_typed_lines(self._keys.fileno())) as typed:
                answer = await self._answer(plan_id, typed)
            if answer is None:
                self._display.note(self._how(run_id))
                return
            await self._runs.answer_plan(run_id, answer)
        except (CodingAgentError, ServerError) as error:
            self._display.note(f"{error.message}\n{error.hint}".strip())
        finally:
            self._display.go_on()

    async def _answer(self, plan_id: str, typed: AsyncIterator[str]) -> Approval | None:
        """What the person wants, or None at the end of the input."""
        self._say(f"\n{_QUESTION}")
        async for line in typed:
            word, _, rest = line.strip().partition(" ")
            decision = _ANSWERS.get(word.lower())
            if decision == "revise":
                feedback = rest.strip() or await self._feedback(typed)
                if feedback:
                    return Approval(decision=decision, plan_id=plan_id, feedback=feedback)
            elif decision and not rest:
                return Approval(decision=decision, plan_id=plan_id)
            self._say(_QUESTION)
        self._say("\n")
        return None

    async def _feedback(self, typed: AsyncIterator[str]) -> str:
        self._say(_FEEDBACK)
        return (await anext(typed, "")).strip()

    def _say(self, text: str) -> None:
        self._screen.write(text)
        self._screen.flush()


async def _typed_lines(descriptor: int) -> AsyncGenerator[str, None]:
    """Lines as the terminal gives them on, without a thread that could not be stopped."""
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[bytes] = asyncio.Queue()
    loop.add_reader(descriptor, lambda: chunks.put_nowait(os.read(descriptor, 65536)))
    try:
        while chunk := await chunks.get():
            yield chunk.decode("utf-8", "replace")
    finally:
        loop.remove_reader(descriptor)
