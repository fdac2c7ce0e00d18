"""Lines on standard output, as wide as it is."""

from collections.abc import Iterable

from rich.console import Group

from api.terminal.display.choose_display import console_for
from api.terminal.display.live_display import WIDEST, line_texts
from api.terminal.text.styled_line import Line
from api.terminal.text.symbols import glyphs_for


def print_lines(lines: Iterable[Line]) -> None:
    console = console_for()
    glyphs, width = glyphs_for(console.encoding), min(console.width, WIDEST)
    rows = [row for line in lines for row in line_texts(line, width, glyphs)]
    console.print(Group(*rows), crop=False)
