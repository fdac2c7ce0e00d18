"""Tokens and money: what replies cost, and what a run may still spend."""

from collections.abc import Iterable
from typing import Annotated, Final

from pydantic import AfterValidator, ConfigDict

from graph.values import Value

_BILLED_DIGITS: Final = 8
"""A token at a price per million in whole cents costs a multiple of 1e-8 dollars."""


def _round_usd(usd: float) -> float:
    return round(usd, _BILLED_DIGITS)


Usd = Annotated[float, AfterValidator(_round_usd)]
"""US dollars to the smallest amount that is billed: sums show no binary remainder."""


def format_usd(usd: float) -> str:
    """US dollars as people read them: to a cent, and below one cent to its hundredth."""
    return f"${usd:.4f}" if 0 < usd < 0.01 else f"${usd:.2f}"


class Usage(Value):
    """Tokens as the Messages API counts them, added up."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=None)

    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            **{name: getattr(self, name) + getattr(other, name) for name in Usage.model_fields}
        )

    @property
    def tokens(self) -> int:
        """All tokens, read from cache or not."""
        return sum(getattr(self, name) for name in Usage.model_fields)


class Spend(Value):
    """What replies have cost so far; `cost_usd` is None once a model without a known price ran."""

    usage: Usage = Usage()
    cost_usd: Usd | None = 0.0
    turns: int = 0

    def __add__(self, other: "Spend") -> "Spend":
        known = self.cost_usd is not None and other.cost_usd is not None
        cost = (self.cost_usd or 0.0) + (other.cost_usd or 0.0) if known else None
        return Spend(usage=self.usage + other.usage, cost_usd=cost, turns=self.turns + other.turns)


class RoleCost(Value):
    """What the calls of one role have cost; `before` is without its newest call, of `step`.

    A call that is resumed counts its own replies again, and so takes its own place.
    """

    role: str
    spend: Spend
    step: int = 0
    before: Spend = Spend()

    def with_call(self, step: int, spend: Spend) -> "RoleCost":
        """With what a call of that step has cost."""
        before = self.before if step == self.step else self.spend
        return RoleCost(role=self.role, spend=before + spend, step=step, before=before)


def with_role_call(costs: Iterable[RoleCost], role: str, step: int, spend: Spend) -> list[RoleCost]:
    """The costs of all roles after one more call."""
    of_role = {cost.role: cost for cost in costs}
    known = of_role.get(role) or RoleCost(role=role, spend=Spend())
    return [*({**of_role, role: known.with_call(step, spend)}).values()]


class Budget(Value):
    """The run's one pot: limits of the whole run, what earlier steps spent, and the wall clock.

    `max_cost_usd` and `max_tokens` are None without a limit; `deadline` is Unix seconds.
    """

    max_cost_usd: float | None
    max_tokens: int | None
    deadline: float
    spent: Spend = Spend()
