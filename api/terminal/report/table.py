"""Rows of texts under a head, in columns."""

from collections.abc import Callable, Sequence
from typing import Final

from rich.cells import cell_len
from rich.console import Console
from rich.style import Style
from rich.text import Text

_DIM: Final = Style(dim=True)
_PLAIN: Final = Style()


def _plain(_column: int, _cell: str) -> Style:
    return _PLAIN


def print_table(
    rows: Sequence[Sequence[str]], console: Console, style: Callable[[int, str], Style] = _plain
) -> None:
    """The first row is the head. On a terminal a line is cut at its edge."""
    for line in table_texts(rows, console, style):
        console.print(line, soft_wrap=True)


def table_texts(
    rows: Sequence[Sequence[str]], console: Console, style: Callable[[int, str], Style] = _plain
) -> list[Text]:
    """The lines of a table."""
    lines: list[Text] = []
    widths = [max(cell_len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        line = Text(no_wrap=True, overflow="ellipsis")
        for column, cell in enumerate(row):
            line.append(cell, _DIM if row is rows[0] else style(column, cell))
            line.append(" " * (widths[column] - cell_len(cell) + 2))
        line.rstrip()
        if console.is_terminal:
            line.truncate(console.width, overflow="ellipsis")
        lines.append(line)
    return lines
