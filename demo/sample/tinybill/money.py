"""Sums of money, exact to the cent."""

from decimal import ROUND_HALF_UP, Decimal

_CENT = Decimal("0.01")


def cents(amount: Decimal) -> Decimal:
    """The amount in whole cents, a half rounded up as on paper."""
    return amount.quantize(_CENT, rounding=ROUND_HALF_UP)


def percent(rate: Decimal, amount: Decimal) -> Decimal:
    """So many percent of an amount, not rounded."""
    return amount * rate / 100


def shown(amount: Decimal) -> str:
    """The amount as it is printed: `1,234.50`."""
    return f"{cents(amount):,.2f}"
