"""The stand-in Claude with a clock: when each request came in and when its reply was out."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from benchmarks.script import TURNS, reply, role_of
from graph.spending import Usage
from tests.standins.messages_api.server import Answer, Exchange, MessagesServer

READ_PRICE, WRITE_PRICE = 0.1, 1.25
"""What a token read from the cache, or written to it, costs in tokens of plain input."""


@dataclass
class Turn:
    """One request of one role; times in seconds of the performance counter.

    It was received when it was read: what the stand-in does with it then is not its sender's time.
    """

    role: str
    conversation: str
    received: float
    answered: float = 0.0
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True)
class _Timed:
    answer: Answer
    turn: Turn
    latency_s: float

    async def send(self, exchange: Exchange) -> None:
        self.turn.usage = exchange.usage
        await asyncio.sleep(self.latency_s)
        await self.answer.send(exchange)
        self.turn.answered = time.perf_counter()


class TimedClaude(MessagesServer):
    """Answers by the script, each time after `latency_s`, and remembers each turn."""

    def __init__(self, turns: int = TURNS, latency_s: float = 0.0) -> None:
        super().__init__(self._timed)
        self.script_turns = turns
        self._latency_s = latency_s
        self.turns: list[Turn] = []

    async def _timed(self, request: dict[str, Any]) -> Answer:
        opening = json.dumps(request["messages"][0]["content"])
        turn = Turn(role_of(request), f"{hash(opening):x}", self.read_at)
        self.turns.append(turn)
        return _Timed(reply(request, self.script_turns), turn, self._latency_s)

    def gaps(self) -> list[float]:
        """Milliseconds from each reply of the coder to its next request."""
        coder = [turn for turn in self.turns if turn.role == "coder"]
        return [(after.received - before.answered) * 1000 for before, after in pairwise(coder)]

    def turns_per_second(self) -> float:
        """Of the coders together, while all of them are at work."""
        spans: dict[str, list[Turn]] = {}
        for turn in self.turns:
            if turn.role == "coder":
                spans.setdefault(turn.conversation, []).append(turn)
        begun = max(turns[0].received for turns in spans.values())
        ended = min(turns[-1].answered for turns in spans.values())
        within = [turn for turn in self.turns if begun < turn.answered <= ended]
        return sum(turn.role == "coder" for turn in within) / (ended - begun)

    def billed_tokens(self) -> float:
        """Input tokens of the coder, as they are billed."""
        used = [turn.usage for turn in self.turns if turn.role == "coder"]
        return sum(
            usage.input_tokens
            + usage.cache_read_input_tokens * READ_PRICE
            + usage.cache_creation_input_tokens * WRITE_PRICE
            for usage in used
        )

    def cache_share(self) -> float:
        """Share of the coder's input that was read from the cache."""
        used = [turn.usage for turn in self.turns if turn.role == "coder"]
        read = sum(usage.cache_read_input_tokens for usage in used)
        total = sum(usage.tokens - usage.output_tokens for usage in used)
        return read / total if total else 0.0
