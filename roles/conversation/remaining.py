"""What is left of a role's turns, money, tokens and time, told once where little is."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from graph import RoleTask, format_usd
from roles.transcript.transcript import Message, UserMessage
from roles.turns.deadline import Deadline
from roles.turns.spend_meter import SpendMeter

_TOLD_AT: Final = 0.8


@dataclass
class Remaining:
    """Watches the limits of one role call; `time_s` is what it had when it began."""

    task: RoleTask
    meter: SpendMeter
    deadline: Deadline
    max_turns: int

    def __post_init__(self) -> None:
        self._time_s = self.deadline.left_s

    def nearly_spent(self, turns: int, said: list[Message]) -> dict[str, str]:
        """What to say after so many turns, by its kind; what was said before is not said again."""
        told = {kind for m in said if isinstance(m, UserMessage) for kind in m.limits_told}
        return {kind: text for kind, text in self._notes(turns) if kind not in told}

    def _notes(self, turns: int) -> Iterator[tuple[str, str]]:
        budget, spent = self.task.budget, self.meter.run_spend
        if turns >= self.max_turns * _TOLD_AT:
            yield "turns", f"{self.max_turns - turns} of your {self.max_turns} replies are left."
        cost, most = spent.cost_usd or 0.0, budget.max_cost_usd
        if most and cost >= most * _TOLD_AT:
            left = format_usd(max(0.0, most - cost))
            yield "money", f"{left} of the run's {format_usd(most)} are left."
        tokens, limit = spent.usage.tokens, budget.max_tokens
        if limit and tokens >= limit * _TOLD_AT:
            yield "tokens", f"{max(0, limit - tokens)} of the run's {limit} tokens are left."
        left_s = self.deadline.left_s
        if left_s <= self._time_s * (1 - _TOLD_AT):
            yield "time", f"{left_s:.0f} s of your time are left."
