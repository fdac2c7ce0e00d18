"""The script of the demo: what the replayed Claude does about the sample's request.

The coder forgets to round; the repository's own test of its examples finds that. The reviewer then
tries a discount that nobody wants.
"""

from typing import Final

from demo.script.asking_role import submit
from demo.script.sample_repository import REQUEST
from demo.script.scene import Call, Scene, Turn, create, replace, shell

_TESTS: Final = "python3 -m unittest discover -s tests -t ."
_PROBE: Final = r"printf 'to Ada\ndiscount 150\n1 x 80.00 Lamp\n' | python3 -m tinybill -"
_SALE: Final = "python3 -m tinybill examples/sale.txt"
_TOO_MUCH: Final = (
    "A discount over 100 percent is taken as it is: the total turns negative and the customer is "
    "paid. Refuse what is not between 0 and 100, with the number of its line, and test it."
)


_PLANNER = Scene(
    role="planner",
    told=(REQUEST, _TESTS),
    turns=(
        Turn(
            thinks="Where amounts are made, read and printed, and what the repository asks for.",
            says="I look at what an invoice is made of and how it is read and printed.",
            calls=(
                shell("cat AGENTS.md README.md", "must add up", "`tax PERCENT`"),
                shell("cat tinybill/invoice.py tinybill/reader.py", "def subtotal", "tax_rate"),
                shell("cat tinybill/printer.py tests/test_examples.py", '"Subtotal"', "amounts("),
            ),
        ),
        Turn(
            thinks="Small, but it touches model, reader, printer, examples and README.",
            answer=submit(
                summary="A `discount PERCENT` line that lowers what tax is taken on.",
                route="full",
                steps=[
                    "Give Invoice a discount rate; take tax on the subtotal less the discount.",
                    "Read `discount PERCENT` and print it between subtotal and tax.",
                    "Add tests, an invoice in examples/ and the line in the README's table.",
                ],
                files=[
                    "tinybill/invoice.py",
                    "tinybill/reader.py",
                    "tinybill/printer.py",
                    "tests/test_invoice.py",
                    "tests/test_reader.py",
                    "examples/sale.txt",
                    "README.md",
                ],
                validate=[],
            ),
        ),
    ),
)

_MODEL_EDITS: Final[tuple[Call, ...]] = (
    replace(
        "tinybill/invoice.py",
        "    tax_rate: Decimal = Decimal(0)\n",
        "    tax_rate: Decimal = Decimal(0)\n    discount_rate: Decimal = Decimal(0)\n",
    ),
    replace(
        "tinybill/invoice.py",
        "    def tax(self) -> Decimal:\n"
        "        return cents(percent(self.tax_rate, self.subtotal))\n",
        "    def discount(self) -> Decimal:\n"
        "        return percent(self.discount_rate, self.subtotal)\n"
        "\n"
        "    @property\n"
        "    def net(self) -> Decimal:\n"
        '        """What tax is taken on."""\n'
        "        return self.subtotal - self.discount\n"
        "\n"
        "    @property\n"
        "    def tax(self) -> Decimal:\n"
        "        return cents(percent(self.tax_rate, self.net))\n",
    ),
    replace(
        "tinybill/invoice.py",
        "        return self.subtotal + self.tax\n",
        "        return self.net + self.tax\n",
    ),
)
_TEXT_EDITS: Final[tuple[Call, ...]] = (
    replace(
        "tinybill/reader.py",
        '    customer, items, tax_rate = "", [], Decimal(0)\n',
        '    customer, items = "", []\n    tax_rate = discount_rate = Decimal(0)\n',
    ),
    replace(
        "tinybill/reader.py",
        "            tax_rate = _decimal(rest, number)\n",
        "            tax_rate = _decimal(rest, number)\n"
        '        elif word == "discount":\n'
        "            discount_rate = _decimal(rest, number)\n",
    ),
    replace(
        "tinybill/reader.py",
        "    return Invoice(customer, tuple(items), tax_rate)\n",
        "    return Invoice(customer, tuple(items), tax_rate, discount_rate)\n",
    ),
    replace(
        "tinybill/printer.py",
        "    if invoice.tax_rate:\n",
        "    if invoice.discount_rate:\n"
        '        lines.append(_line(f"Discount {invoice.discount_rate} %", -invoice.discount))\n'
        "    if invoice.tax_rate:\n",
    ),
)
_TEST_EDITS: Final[tuple[Call, ...]] = (
    replace(
        "tests/test_invoice.py",
        "    def test_an_empty_invoice_costs_nothing(self):\n",
        "    def test_a_discount_is_taken_off_before_tax(self):\n"
        '        invoice = Invoice("Ada", (LAMP,), Decimal(19), discount_rate=Decimal(10))\n'
        '        self.assertEqual(invoice.discount, Decimal("20.00"))\n'
        '        self.assertEqual(invoice.tax, Decimal("34.20"))\n'
        '        self.assertEqual(invoice.total, Decimal("214.20"))\n'
        "\n"
        "    def test_an_empty_invoice_costs_nothing(self):\n",
    ),
    replace(
        "tests/test_reader.py",
        "    def test_names_the_line_that_is_wrong(self):\n",
        "    def test_reads_a_discount(self):\n"
        '        invoice = read_invoice("to Ada\\ndiscount 12.5\\n1 x 5.00 Plug\\n")\n'
        '        self.assertEqual(invoice.discount_rate, Decimal("12.5"))\n'
        "\n"
        "    def test_names_the_line_that_is_wrong(self):\n",
    ),
    create(
        "examples/sale.txt", "to Willow Court\ntax 19\ndiscount 10\n\n3 x 33.35 Bag of compost\n"
    ),
    replace(
        "README.md",
        "| `QUANTITY x PRICE DESCRIPTION` |",
        "| `discount PERCENT` | taken off the items before tax, nothing if the line is missing |\n"
        "| `QUANTITY x PRICE DESCRIPTION` |",
    ),
)

_CODER = Scene(
    role="coder",
    told=("Now carry the plan out.",),
    turns=(
        Turn(
            thinks="Tax and total both follow from what is left after the discount: a `net` sum.",
            says="The invoice learns the discount; tax is taken on what is left.",
            calls=_MODEL_EDITS,
        ),
        Turn(says="Now reader and printer.", calls=_TEXT_EDITS),
        Turn(says="Tests, an example and the README.", calls=_TEST_EDITS),
        Turn(
            says="The tests of what I touched:",
            calls=(shell("python3 -m unittest tests.test_invoice tests.test_reader", "OK"),),
            answer=submit(
                title="Let an invoice carry a discount",
                summary="A line `discount PERCENT` lowers what tax is taken on and is printed "
                "between subtotal and tax.",
            ),
        ),
    ),
)

_ROUNDER = Scene(
    role="fixer",
    told=("test_printed_amounts_add_up", "sale.txt", "107.16"),
    turns=(
        Turn(
            thinks="The printed parts make 107.15, the printed total is 107.16: somewhere an "
            "amount is printed rounded and added up unrounded.",
            says="A cent is missing between the printed parts and the printed total.",
            calls=(
                shell(_SALE, "-10.01", "107.16"),
                shell("grep -n -B2 'percent(' tinybill/invoice.py", "self.discount_rate"),
            ),
        ),
        Turn(
            says="Ten percent of 100.05 is 10.005: the discount must be rounded where it is made, "
            "as AGENTS.md asks.",
            calls=(
                replace(
                    "tinybill/invoice.py",
                    "        return percent(self.discount_rate, self.subtotal)\n",
                    "        return cents(percent(self.discount_rate, self.subtotal))\n",
                ),
                replace(
                    "tests/test_invoice.py",
                    "    def test_an_empty_invoice_costs_nothing(self):\n",
                    "    def test_a_discount_is_whole_cents(self):\n"
                    '        bag = Item("Bag", 3, Decimal("33.35"))\n'
                    '        invoice = Invoice("Ada", (bag,), discount_rate=Decimal(10))\n'
                    '        self.assertEqual(invoice.discount, Decimal("10.01"))\n'
                    "\n"
                    "    def test_an_empty_invoice_costs_nothing(self):\n",
                ),
            ),
        ),
        Turn(
            calls=(shell(_SALE, "107.15"), shell(_TESTS, "OK")),
            answer=submit(
                title="Let an invoice carry a discount",
                summary="A line `discount PERCENT` lowers what tax is taken on and is printed "
                "between subtotal and tax. It is rounded to cents where it is made, so that the "
                "printed amounts add up.",
            ),
        ),
    ),
)

_REVIEWER = Scene(
    role="reviewer",
    told=(REQUEST, "cents(percent(self.discount_rate"),
    turns=(
        Turn(
            says="I read the change, then try it.",
            calls=(
                shell("git diff HEAD -- tinybill", "cents(percent(self.discount_rate"),
                shell("git diff HEAD --stat", "examples/sale.txt", "README.md"),
            ),
        ),
        Turn(
            thinks="The arithmetic holds. But the reader takes any number as a discount.",
            says="What does a discount of 150 percent do?",
            calls=(shell(_PROBE, "Discount 150 %", "-40.00"),),
        ),
        Turn(
            answer=submit(
                verdict="request_changes",
                summary="The discount is right where it makes sense and unchecked where not.",
                findings=[
                    {
                        "severity": "error",
                        "path": "tinybill/reader.py",
                        "line": 28,
                        "message": _TOO_MUCH,
                    }
                ],
            ),
        ),
    ),
)

_GUARD = Scene(
    role="fixer",
    told=(_TOO_MUCH,),
    turns=(
        Turn(
            says="The reader refuses it, as it refuses everything else that does not fit.",
            calls=(
                replace(
                    "tinybill/reader.py",
                    "            discount_rate = _decimal(rest, number)\n",
                    "            discount_rate = _discount(rest, number)\n",
                ),
                replace(
                    "tinybill/reader.py",
                    "def _decimal(text: str, number: int) -> Decimal:\n",
                    "def _discount(text: str, number: int) -> Decimal:\n"
                    '    """A rate that takes off no more than there is."""\n'
                    "    rate = _decimal(text, number)\n"
                    "    if not 0 <= rate <= 100:\n"
                    "        raise InvoiceError("
                    'f"line {number}: a discount of {text} % is not between 0 and 100")\n'
                    "    return rate\n"
                    "\n\n"
                    "def _decimal(text: str, number: int) -> Decimal:\n",
                ),
                replace(
                    "tests/test_reader.py",
                    '"2 x cheap Lamp", "tax much"):\n',
                    '"2 x cheap Lamp", "tax much", "discount 101", "discount -1"):\n',
                ),
                replace(
                    "README.md",
                    "taken off the items before tax, nothing if the line is missing |",
                    "0 to 100, taken off the items before tax; 0 if the line is missing |",
                ),
            ),
        ),
        Turn(
            calls=(
                shell(_PROBE, "line 2: a discount of 150 % is not between", fails=True),
                shell(_TESTS, "OK"),
            )
        ),
        Turn(
            answer=submit(
                title="Let an invoice carry a discount",
                summary="A line `discount PERCENT` lowers what tax is taken on and is printed "
                "between subtotal and tax. It is rounded to cents where it is made, so that the "
                "printed amounts add up. One below 0 or above 100 percent is refused.",
            ),
        ),
    ),
)

_APPROVER = Scene(
    role="reviewer",
    told=("See first whether each of your findings is settled", "_discount(rest, number)"),
    turns=(
        Turn(
            says="The finding first, then what surrounds it.",
            calls=(
                shell(_PROBE, "line 2: a discount of 150 % is not between", fails=True),
                shell("git diff HEAD -- tinybill/reader.py tests/test_reader.py", "discount -1"),
            ),
        ),
        Turn(
            answer=submit(
                verdict="approve",
                summary="Does what was asked, adds up to the cent, refuses what makes no sense; "
                "all of it tested.",
                findings=[],
            ),
        ),
    ),
)

STORY: Final = (_PLANNER, _CODER, _ROUNDER, _REVIEWER, _GUARD, _APPROVER)
