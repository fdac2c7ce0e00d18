"""What the next request may use: never more than what is left of the run's one pot."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from graph import Budget, RoleTask, Spend, Stop, Usage, format_usd
from graph.errors import PriceUnknown
from roles.claude.prices import Model, prompt_tokens
from roles.claude.reply import Block

MAX_REPLY_TOKENS: Final = 32_000
LONG_REPLY_TOKENS: Final = 64_000
"""Of a role that is to think hard."""
MIN_REPLY_TOKENS: Final = 2_000
"""Tokens below which a reply is not worth asking for."""

_BYTES_A_TOKEN = 2
"""Fewer than any text has; so the estimate errs on the dear side."""
_FIXED_TOKENS = 1_000
"""What the API adds for tools that it knows."""

FRESH_S: Final = 240.0
"""An entry lives for five minutes from its last use; so long it is counted on."""


def tokens_upper_bound(size: int) -> int:
    """Tokens that so many new bytes of a request can be at most."""
    return size // _BYTES_A_TOKEN + _FIXED_TOKENS


def with_reckoned(said: Usage, reserved: Usage, content: list[Block]) -> Usage:
    """What a reply has used; of what the endpoint does not say, the most that it can have been."""
    reckoned: dict[str, int] = {}
    if not prompt_tokens(said):
        reckoned = reserved.model_dump(exclude={"output_tokens"})
    if content and not said.output_tokens:
        reckoned["output_tokens"] = len(json.dumps(content)) // _BYTES_A_TOKEN
    return said.model_copy(update=reckoned)


def require_limit(name: str, known: Model | None, budget: Budget) -> None:
    """Raise PriceUnknown where neither money nor tokens could be held to a limit."""
    counted = known is not None and budget.spent.cost_usd is not None
    if not counted and budget.max_tokens is None:
        raise PriceUnknown(f"The price of the model {name!r} is not known.")


def reply_allowance(
    budget: Budget,
    spent: Spend,
    model: Model | None,
    prompt: int,
    cached: int = 0,
    most: int = MAX_REPLY_TOKENS,
) -> int:
    """Tokens the reply to a prompt of that size may have; below MIN_REPLY_TOKENS: do not ask.

    `spent` is all of the run. What is `cached` of the prompt is taken at the price of a read, the
    rest at that of a write. Where the cache has lost it after all, this one miss is over the limit.
    """
    allowed = min(most, model.max_output) if model else most
    if budget.max_tokens is not None:
        allowed = min(allowed, budget.max_tokens - spent.usage.tokens - prompt)
    if budget.max_cost_usd is not None and model and spent.cost_usd is not None:
        left = budget.max_cost_usd - spent.cost_usd - _prompt_usd(model, prompt, cached)
        allowed = min(allowed, int(left / model.rates(prompt).output * 1e6))
    return allowed


def shortfall(
    task: RoleTask, spent: Spend, model: Model | None, prompt: int, cached: int
) -> tuple[Stop, str]:
    """Which limit is short, what the next request takes of it at most with the shortest reply, and
    what is left. The text is empty where neither money nor tokens are short."""
    budget = task.budget
    if budget.max_tokens is not None:
        needed, left = prompt + MIN_REPLY_TOKENS, budget.max_tokens - spent.usage.tokens
        if needed > left:
            return "tokens", (
                f"The next request of the {task.role} could have used {needed:,} tokens; "
                f"{max(left, 0):,} of {budget.max_tokens:,} were left."
            )
    if budget.max_cost_usd is None or model is None or spent.cost_usd is None:
        return "budget", ""
    reply = MIN_REPLY_TOKENS * model.rates(prompt).output / 1e6
    cost, money = _prompt_usd(model, prompt, cached) + reply, budget.max_cost_usd - spent.cost_usd
    return "budget", (
        f"The next request of the {task.role} could have cost {format_usd(cost)}; "
        f"{format_usd(max(money, 0))} of {format_usd(budget.max_cost_usd)} was left."
    )


def _prompt_usd(model: Model, prompt: int, cached: int) -> float:
    rates, read = model.rates(prompt), min(cached, prompt)
    return (read * rates.read + (prompt - read) * rates.write_5m) / 1e6


@dataclass
class CachedPrompt:
    """Remembers what the newest request read from the cache or wrote to it.

    A prompt goes on from it where it is of the same conversation and lacks the same results.
    """

    clock: Callable[[], float] = time.monotonic
    size: int = 0
    """Tokens in the cache."""
    used_at: float = 0.0
    _of: tuple[object, int] | None = field(default=None)

    def note(self, of: tuple[object, int], usage: Usage, asked_at: float) -> None:
        """`of`: the first message, and how many results are cleared."""
        self.size = usage.cache_read_input_tokens + usage.cache_creation_input_tokens
        self.used_at, self._of = asked_at, of

    def tokens(self, of: tuple[object, int]) -> int:
        """Tokens that the next request is expected to read."""
        known = self._of
        same = known is not None and known[0] is of[0] and known[1] == of[1]
        return self.size if same and self.clock() - self.used_at < FRESH_S else 0
