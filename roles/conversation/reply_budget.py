"""What the next request may use: never more than what is left of the run's one pot."""

from typing import Final

from graph import Budget, Spend
from graph.errors import PriceUnknown
from roles.claude.prices import Model

MAX_REPLY_TOKENS: Final = 32_000
MIN_REPLY_TOKENS: Final = 2_000
"""Tokens below which a reply is not worth asking for."""

_BYTES_A_TOKEN = 2
"""Fewer than any text has; so the estimate errs on the dear side."""
_FIXED_TOKENS = 1_000
"""What the API adds for tools that it knows."""


def tokens_upper_bound(size: int) -> int:
    """Tokens that so many new bytes of a request can be at most."""
    return size // _BYTES_A_TOKEN + _FIXED_TOKENS


def require_limit(name: str, known: Model | None, budget: Budget) -> None:
    """Raise PriceUnknown where neither money nor tokens could be held to a limit."""
    counted = known is not None and budget.spent.cost_usd is not None
    if not counted and budget.max_tokens is None:
        raise PriceUnknown(f"The price of the model {name!r} is not known.")


def reply_allowance(budget: Budget, spent: Spend, model: Model | None, prompt: int) -> int:
    """Tokens the reply to a prompt of that size may have; below MIN_REPLY_TOKENS: do not ask.

    `spent` is all of the run. The whole prompt is taken at the price of a cache write, since an
    entry may be gone.
    """
    allowed = min(MAX_REPLY_TOKENS, model.max_output) if model else MAX_REPLY_TOKENS
    if budget.max_tokens is not None:
        allowed = min(allowed, budget.max_tokens - spent.usage.tokens - prompt)
    if budget.max_cost_usd is not None and model and spent.cost_usd is not None:
        rates = model.rates(prompt)
        left = budget.max_cost_usd - spent.cost_usd - prompt * rates.write_5m / 1e6
        allowed = min(allowed, int(left / rates.output * 1e6))
    return allowed
