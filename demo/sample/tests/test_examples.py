import unittest
from decimal import Decimal
from pathlib import Path

from tinybill.printer import text_of
from tinybill.reader import read_invoice

EXAMPLES = Path(__file__).parent.parent / "examples"


def amounts(text: str) -> list[Decimal]:
    """The printed amounts from the subtotal on."""
    lines = text.partition("---")[2].splitlines()[1:]
    words = [line.split()[-1].replace(",", "") for line in lines]
    return [Decimal(word) for word in words if not word.startswith("---")]


class ExamplesTest(unittest.TestCase):
    def test_printed_amounts_add_up(self):
        for path in sorted(EXAMPLES.glob("*.txt")):
            with self.subTest(example=path.name):
                *parts, total = amounts(text_of(read_invoice(path.read_text(encoding="utf-8"))))
                self.assertEqual(sum(parts), total)


if __name__ == "__main__":
    unittest.main()
