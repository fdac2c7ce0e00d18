"""The stand-in Claude with a clock: when each request came in and when its reply was out."""

import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from benchmarks.script import TURNS, reply, role_of
from demo.messages_server import Answer, Exchange, MessagesServer
from graph.values import Usage

READ_PRICE, WRITE_PRICE = 0.1, 1.25
"""What a token read from the cache, or written to it, costs in tokens of plain input."""


@dataclass
class Turn:
    """One request of one role; times in seconds of the performance counter."""

    role: str
    received: float
    answered: float = 0.0
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True)
class _Timed:
    answer: Answer
    turn: Turn

    async def send(self, exchange: Exchange) -> None:
        self.turn.usage = exchange.usage
        await self.answer.send(exchange)
        self.turn.answered = time.perf_counter()


class TimedClaude(MessagesServer):
    """Answers by the script and remembers each turn."""

    def __init__(self, turns: int = TURNS) -> None:
        super().__init__(self._timed)
        self.script_turns = turns
        self.turns: list[Turn] = []

    async def _timed(self, request: dict[str, Any]) -> Answer:
        turn = Turn(role_of(request), time.perf_counter())
        self.turns.append(turn)
        return _Timed(reply(request, self.script_turns), turn)

    def gaps(self) -> list[float]:
        """Milliseconds from each reply of the coder to its next request."""
        coder = [turn for turn in self.turns if turn.role == "coder"]
        return [(after.received - before.answered) * 1000 for before, after in pairwise(coder)]

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
