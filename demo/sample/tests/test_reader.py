import unittest
from decimal import Decimal

from tinybill.reader import InvoiceError, read_invoice


class ReaderTest(unittest.TestCase):
    def test_reads_customer_tax_and_items(self):
        invoice = read_invoice("to Ada\ntax 7.5\n\n# for the hall\n2 x 100.00 Tall lamp\n")
        self.assertEqual(invoice.customer, "Ada")
        self.assertEqual(invoice.tax_rate, Decimal("7.5"))
        self.assertEqual(invoice.items[0].description, "Tall lamp")

    def test_names_the_line_that_is_wrong(self):
        for line in ("lamps, two", "2 x cheap Lamp", "tax much"):
            with self.subTest(line=line), self.assertRaisesRegex(InvoiceError, "^line 2: "):
                read_invoice(f"to Ada\n{line}\n")

    def test_somebody_must_pay(self):
        with self.assertRaisesRegex(InvoiceError, "nobody to pay"):
            read_invoice("1 x 5.00 Plug\n")


if __name__ == "__main__":
    unittest.main()
