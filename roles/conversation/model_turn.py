"""One turn: a request within what is left of the run, repeated where that can help."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from graph import Emit, Retry, RoleTask, RoleText, RoleThinking, Stop
from graph.errors import ClaudeRejected
from roles.claude.client import AttemptFailed, Claude, Reply
from roles.claude.prices import known_model
from roles.conversation.deadline import Deadline
from roles.conversation.model_request import Request, Requests
from roles.conversation.reply_budget import LEAST_REPLY, reply_allowance
from roles.conversation.spend_meter import Ledger
from roles.conversation.text_chunks import Pieces
from roles.conversation.transcript import AssistantMessage, Transcript


class OutOf(Exception):
    """Raised when money, tokens or time are spent before the role is done."""

    def __init__(self, stop: Stop) -> None:
        super().__init__(stop)
        self.stop = stop


@dataclass(frozen=True)
class Patience:
    """How often a request is sent, and the growing pauses between; the API's own wish wins."""

    attempts: int = 7
    first_s: float = 1.0
    longest_s: float = 60.0

    def pause(self, failures: int, failed: AttemptFailed) -> float:
        if failed.retry_after_s is not None:
            return failed.retry_after_s
        grown = min(self.longest_s, self.first_s * 2.0 ** (failures - 1))
        return grown * random.uniform(0.75, 1.0)  # noqa: S311 - spreads clients, no secret


class Turns:
    """Takes the turns of one role call."""

    def __init__(
        self,
        *,
        claude: Claude,
        requests: Requests,
        transcript: Transcript,
        task: RoleTask,
        ledger: Ledger,
        deadline: Deadline,
        patience: Patience,
        emit: Emit,
    ) -> None:
        self._claude = claude
        self._requests = requests
        self._transcript = transcript
        self._task = task
        self._ledger = ledger
        self._deadline = deadline
        self._patience = patience
        self._emit = emit

    async def take(self) -> None:
        """Get the next reply into the transcript. Raises OutOf, ClaudeError."""
        turn = self._transcript.turn
        failures = 0
        while True:
            max_tokens = self._max_tokens()
            attempt = await self._transcript.begin_attempt()
            key = f"{self._task.step}.{turn}.{attempt}"
            request = self._requests.make(self._transcript.conversation, max_tokens)
            try:
                reply = await self._attempt(key, request)
            except AttemptFailed as failed:
                if request.betas and isinstance(failed.error, ClaudeRejected):
                    self._do_without(key, attempt, failed)
                    continue
                failures += 1
                await self._wait(key, attempt, failures, failed)
                continue
            await self._keep(key, attempt, reply)
            return

    def _max_tokens(self) -> int:
        if self._deadline.left_s <= 0:
            raise OutOf("time")
        prompt = self._requests.prompt_at_most(self._transcript.conversation)
        model = known_model(self._requests.model)
        allowed = reply_allowance(self._task.budget, self._ledger.run_spend, model, prompt)
        if allowed < LEAST_REPLY:
            raise OutOf("budget")
        return allowed

    async def _attempt(self, key: str, request: Request) -> Reply:
        pieces = Pieces(self._teller(key))
        try:
            async with asyncio.timeout(self._deadline.left_s):
                return await self._claude.attempt(request.body, pieces, request.betas)
        except TimeoutError as error:
            raise OutOf("time") from error
        finally:
            pieces.flush()

    def _teller(self, key: str) -> Callable[[Literal["text", "thinking"], str], None]:
        told = 0

        def tell(kind: Literal["text", "thinking"], text: str) -> None:
            nonlocal told
            told += 1
            event = RoleText if kind == "text" else RoleThinking
            self._emit(event(key=f"{key}.{told}", role=self._task.role, text=text))

        return tell

    async def _keep(self, key: str, attempt: int, reply: Reply) -> None:
        await self._transcript.append(
            AssistantMessage(
                content=reply.content,
                attempt=attempt,
                stop_reason=reply.stop_reason,
                stop_details=reply.stop_details,
                usage=reply.usage,
                model=self._requests.model,
                request_id=reply.request_id,
            )
        )
        self._ledger.report(key, self._requests.model, reply.usage)

    def _do_without(self, key: str, attempt: int, failed: AttemptFailed) -> None:
        """Go on as with an endpoint that does not know what was asked of it beside the ordinary."""
        self._requests.forgo_edits()
        reason = f"Asked to clear old results from the prompt. {failed.error.message}"
        self._retry(key, attempt, 0.0, reason)

    async def _wait(self, key: str, attempt: int, failures: int, failed: AttemptFailed) -> None:
        """Count what was lost, then pause, or raise where repeating cannot help in time."""
        if failed.usage is not None:
            await self._transcript.note_lost(failed.usage)
            self._ledger.report(key, self._requests.model, failed.usage, replies=0)
        wait = self._patience.pause(failures, failed)
        last = failures >= self._patience.attempts or not wait < self._deadline.left_s
        if last or not failed.repeatable:
            raise failed.error from failed
        self._retry(key, attempt, wait, failed.error.message)
        await asyncio.sleep(wait)

    def _retry(self, key: str, attempt: int, wait_s: float, reason: str) -> None:
        event = Retry(
            key=f"{key}.retry",
            what="claude",
            attempt=attempt,
            wait_ms=round(wait_s * 1000),
            reason=reason,
        )
        self._emit(event)
