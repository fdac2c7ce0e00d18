"""python3 -m tinybill FILE"""

import sys
from pathlib import Path

from tinybill.printer import text_of
from tinybill.reader import InvoiceError, read_invoice


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    name = sys.argv[1]
    text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    try:
        invoice = read_invoice(text)
    except InvoiceError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    print(text_of(invoice))
    return 0


if __name__ == "__main__":
    sys.exit(main())
