import unittest
from decimal import Decimal

from tinybill.money import cents, percent, shown


class MoneyTest(unittest.TestCase):
    def test_half_a_cent_is_rounded_up(self):
        self.assertEqual(cents(Decimal("0.125")), Decimal("0.13"))
        self.assertEqual(cents(Decimal("0.135")), Decimal("0.14"))

    def test_percent_is_exact(self):
        self.assertEqual(percent(Decimal("7.5"), Decimal("10.01")), Decimal("0.75075"))

    def test_thousands_are_grouped(self):
        self.assertEqual(shown(Decimal("1234.5")), "1,234.50")


if __name__ == "__main__":
    unittest.main()
