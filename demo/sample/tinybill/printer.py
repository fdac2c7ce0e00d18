"""Invoices as text."""

from decimal import Decimal

from tinybill.invoice import Invoice
from tinybill.money import shown

_LABEL, _AMOUNT = 28, 12
_RULE = ("-" * 9).rjust(2 + _LABEL + _AMOUNT)


def text_of(invoice: Invoice) -> str:
    """The invoice as it is sent: items, a rule, what is added to them, a rule, the total."""
    lines = [f"Invoice for {invoice.customer}", ""]
    lines += [_line(f"{item.quantity} x {item.description}", item.total) for item in invoice.items]
    lines += [_RULE, _line("Subtotal", invoice.subtotal)]
    if invoice.tax_rate:
        lines.append(_line(f"Tax {invoice.tax_rate} %", invoice.tax))
    lines += [_RULE, _line("Total", invoice.total)]
    return "\n".join(lines)


def _line(label: str, amount: Decimal) -> str:
    return f"  {label:<{_LABEL}}{shown(amount):>{_AMOUNT}}"
