"""Invoices read from text, a line at a time."""

import re
from decimal import Decimal

from tinybill.invoice import Invoice, Item

_ITEM = re.compile(r"(?P<quantity>\d+) x (?P<price>\S+) (?P<description>.+)")


class InvoiceError(ValueError):
    """Raised when a text is no invoice; names the line."""


def read_invoice(text: str) -> Invoice:
    """The invoice that a text describes. Raises InvoiceError."""
    customer, items, tax_rate = "", [], Decimal(0)
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        word, _, rest = line.partition(" ")
        if not line or line.startswith("#"):
            continue
        if word == "to":
            customer = rest
        elif word == "tax":
            tax_rate = _decimal(rest, number)
        elif match := _ITEM.fullmatch(line):
            price = _decimal(match["price"], number)
            items.append(Item(match["description"], int(match["quantity"]), price))
        else:
            raise InvoiceError(f"line {number}: cannot read {line!r}")
    if not customer:
        raise InvoiceError("nobody to pay: a line `to NAME` is missing")
    return Invoice(customer, tuple(items), tax_rate)


def _decimal(text: str, number: int) -> Decimal:
    """A plain number such as `19` or `12.50`."""
    if not re.fullmatch(r"-?\d+(\.\d+)?", text):
        raise InvoiceError(f"line {number}: {text!r} is not a number")
    return Decimal(text)
