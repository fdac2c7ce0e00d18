"""What an invoice is made of."""

from dataclasses import dataclass
from decimal import Decimal

from tinybill.money import cents, percent


@dataclass(frozen=True)
class Item:
    """So many pieces of one thing."""

    description: str
    quantity: int
    price: Decimal

    @property
    def total(self) -> Decimal:
        return self.quantity * self.price


@dataclass(frozen=True)
class Invoice:
    """Items for one customer; rates are in percent."""

    customer: str
    items: tuple[Item, ...]
    tax_rate: Decimal = Decimal(0)

    @property
    def subtotal(self) -> Decimal:
        return sum((item.total for item in self.items), Decimal(0))

    @property
    def tax(self) -> Decimal:
        return cents(percent(self.tax_rate, self.subtotal))

    @property
    def total(self) -> Decimal:
        return self.subtotal + self.tax
