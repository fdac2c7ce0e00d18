"""One turn: a request within what is left of the run, repeated where that can help."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from graph import Emit, Pauses, Retry, RetryPolicy, RoleTask, RoleText, RoleThinking, Stop, Usage
from graph.errors import ClaudeRejected, CodingAgentError, ContextExceeded
from roles.claude.client import Claude
from roles.claude.prices import find_model
from roles.claude.reply import AttemptFailed, Reply
from roles.transcript.transcript import AssistantMessage, Transcript
from roles.turns.cache_keeper import CacheKeeper
from roles.turns.deadline import Deadline
from roles.turns.model_request import ModelRequest, RequestBuilder
from roles.turns.reply_budget import (
    MIN_REPLY_TOKENS,
    CachedPrompt,
    reply_allowance,
    shortfall,
    with_reckoned,
)
from roles.turns.spend_meter import SpendMeter
from roles.turns.text_chunks import ChunkBatcher

log = logging.getLogger(__name__)


class LimitReached(Exception):
    """Raised when money, tokens or time are spent before the role is done.

    `shortfall` says what the next request would have taken.
    """

    def __init__(self, stop: Stop, shortfall: str = "") -> None:
        super().__init__(stop)
        self.stop = stop
        self.shortfall = shortfall


@dataclass(kw_only=True)
class Turns:
    """Takes the turns of one role call."""

    claude: Claude
    requests: RequestBuilder
    transcript: Transcript
    task: RoleTask
    meter: SpendMeter
    deadline: Deadline
    retry_policy: RetryPolicy
    emit: Emit
    cached: CachedPrompt = field(default_factory=CachedPrompt)

    def __post_init__(self) -> None:
        self.keeper = CacheKeeper(
            claude=self.claude,
            requests=self.requests,
            transcript=self.transcript,
            task=self.task,
            meter=self.meter,
            cached=self.cached,
        )

    def recall(self) -> None:
        """Count on what the newest reply left in the prompt cache, whoever asked for it."""
        said = (
            m for m in reversed(self.transcript.conversation) if isinstance(m, AssistantMessage)
        )
        newest = next(said, None)
        if newest and newest.model == self.requests.model and not newest.usage_reckoned:
            age = max(0.0, time.time() - newest.asked_at)
            self.cached.note(self._prompt(), newest.usage, self.cached.clock() - age)

    async def take(self) -> None:
        """Get the next reply into the transcript. Raises LimitReached, ClaudeError."""
        turn = self.transcript.turn
        pauses = self.retry_policy.pauses()
        while True:
            reserved = self._reserve()
            attempt = await self.transcript.begin_attempt(reserved)
            key = f"{self.task.step}.{turn}.{attempt}"
            request = self.requests.build(self.transcript.conversation, reserved.output_tokens)
            prompt, asked_at, sent_at = self._prompt(), self.cached.clock(), time.time()
            batcher = ChunkBatcher(self._event_emitter(key))
            try:
                reply = await self._attempt(batcher, request)
            except (LimitReached, asyncio.CancelledError):
                await self._count_cut_off(key, batcher.reported, reserved)
                raise
            except AttemptFailed as failed:
                if request.betas and isinstance(failed.error, ClaudeRejected):
                    self._retry_without_beta(key, attempt, failed)
                    continue
                if self._shows_what_is_refused(failed):
                    self._retry_without_pictures(key, attempt, failed)
                    continue
                await self._count_lost(key, batcher.reported, reserved)
                await self._wait_or_raise(key, attempt, pauses, failed)
                continue
            self.cached.note(prompt, reply.usage, asked_at)
            await self._record(key, attempt, reply, sent_at, reserved)
            return

    def _prompt(self) -> tuple[object, int]:
        """What makes a prompt the continuation of another."""
        messages = self.transcript.conversation
        return messages[0], self.requests.count_cleared(messages)

    def report(self, reply: AssistantMessage, key: str) -> None:
        """Say what a reply has cost."""
        self.meter.report(key, reply.model, reply.usage, reckoned=reply.usage_reckoned)

    def report_lost(self, index: int, turn: int) -> None:
        """Say what the requests have cost that brought no answer to a message."""
        message, before = self.transcript.messages[index], self.transcript.attempts_before(index)
        for number, lost in enumerate(message.attempts, start=1):
            if lost is not None:
                key = f"{self.task.step}.{turn}.{before + number}"
                reckoned = number in message.reckoned
                self.meter.report(key, self.requests.model, lost, replies=0, reckoned=reckoned)

    def _reserve(self) -> Usage:
        """What the next request may use at most. Raises LimitReached."""
        if self.deadline.left_s <= 0:
            raise LimitReached("time")
        prompt = self.requests.prompt_tokens_upper_bound(self.transcript.conversation)
        model = find_model(self.requests.model)
        cached = self.cached.tokens(self._prompt())
        most = self.requests.max_reply_tokens
        spent = self.meter.run_spend
        allowed = reply_allowance(self.task.budget, spent, model, prompt, cached, most)
        if allowed < MIN_REPLY_TOKENS:
            raise LimitReached(*shortfall(self.task, spent, model, prompt, cached))
        read = min(cached, prompt)
        return Usage(
            output_tokens=allowed,
            cache_read_input_tokens=read,
            cache_creation_input_tokens=prompt - read,
        )

    async def _attempt(self, batcher: ChunkBatcher, request: ModelRequest) -> Reply:
        try:
            async with asyncio.timeout(self.deadline.left_s):
                return await self.claude.attempt(request.body, batcher, request.betas)
        except TimeoutError as error:
            raise LimitReached("time") from error
        finally:
            batcher.flush()

    def _event_emitter(self, key: str) -> Callable[[Literal["text", "thinking"], str], None]:
        count = 0

        def emit(kind: Literal["text", "thinking"], text: str) -> None:
            nonlocal count
            count += 1
            event = RoleText if kind == "text" else RoleThinking
            self.emit(event(key=f"{key}.{count}", role=self.task.role, text=text))

        return emit

    async def _record(
        self, key: str, attempt: int, reply: Reply, asked_at: float, reserved: Usage
    ) -> None:
        usage = with_reckoned(reply.usage, reserved, reply.content)
        known = {"model": self.requests.model, "asked_at": asked_at, "usage": usage}
        known |= {"attempt": attempt, "usage_reckoned": usage != reply.usage}
        message = AssistantMessage(**vars(reply) | known)
        await self.transcript.append(message)
        self.report(message, key)

    def _retry_without_beta(self, key: str, attempt: int, failed: AttemptFailed) -> None:
        """Go on as with an endpoint that does not know what was asked of it beside the ordinary."""
        self.requests.disable_context_editing()
        reason = f"Asked to clear old results from the prompt. {failed.error.message}"
        self._emit_retry(key, attempt, 0.0, reason)

    def _shows_what_is_refused(self, failed: AttemptFailed) -> bool:
        """Whether a request with pictures may go right without: one was refused, or all of them
        are too large together."""
        refused = isinstance(failed.error, ClaudeRejected | ContextExceeded)
        return refused and self.requests.shows_pictures(self.transcript.conversation)

    def _retry_without_pictures(self, key: str, attempt: int, failed: AttemptFailed) -> None:
        self.requests.leave_out_pictures()
        reason = f"Asked with the pictures of the request. {failed.error.message}"
        self._emit_retry(key, attempt, 0.0, f"{reason} They are left out.")

    async def _wait_or_raise(
        self, key: str, attempt: int, pauses: Pauses, failed: AttemptFailed
    ) -> None:
        """Pause, or raise where repeating cannot help in time."""
        wait = pauses.next(failed.retry_after_s)
        if wait is None or wait >= self.deadline.left_s or not failed.repeatable:
            raise failed.error from failed
        self._emit_retry(key, attempt, wait, failed.error.message)
        await asyncio.sleep(wait)

    async def _count_cut_off(self, key: str, reported: Usage | None, reserved: Usage) -> None:
        """Count what a reply has cost that is not waited for; where it cannot be kept, go on.

        One of which nothing was heard yet may have cost its prompt.
        """
        try:
            await asyncio.shield(self._count_lost(key, reported or Usage(), reserved))
        except CodingAgentError as error:
            log.warning("the cost of a reply that was cut off is not kept: %s", error)

    async def _count_lost(self, key: str, reported: Usage | None, reserved: Usage) -> None:
        """Count what a reply has cost that did not come to its end: nothing if it did not begin."""
        known = None if reported is None else with_reckoned(reported, reserved, [])
        reckoned = known != reported
        await self.transcript.note_lost(known, reckoned=reckoned)
        if known is not None:
            self.meter.report(key, self.requests.model, known, replies=0, reckoned=reckoned)

    def _emit_retry(self, key: str, attempt: int, wait_s: float, reason: str) -> None:
        event = Retry(
            key=f"{key}.retry",
            what="claude",
            attempt=attempt,
            wait_ms=round(wait_s * 1000),
            reason=reason,
        )
        self.emit(event)
