import unittest
from decimal import Decimal

from tinybill.invoice import Invoice, Item

LAMP = Item("Lamp", 2, Decimal("100.00"))


class InvoiceTest(unittest.TestCase):
    def test_subtotal_is_all_items(self):
        cable = Item("Cable", 3, Decimal("4.99"))
        self.assertEqual(Invoice("Ada", (LAMP, cable)).subtotal, Decimal("214.97"))

    def test_tax_is_added(self):
        invoice = Invoice("Ada", (LAMP,), tax_rate=Decimal(19))
        self.assertEqual(invoice.tax, Decimal("38.00"))
        self.assertEqual(invoice.total, Decimal("238.00"))

    def test_an_empty_invoice_costs_nothing(self):
        self.assertEqual(Invoice("Ada", ()).total, 0)


if __name__ == "__main__":
    unittest.main()
