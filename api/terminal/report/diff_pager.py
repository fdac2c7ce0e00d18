"""A diff: its bytes to a file or a pipe, and to a terminal coloured, harmless and paged."""

import subprocess
import sys
from typing import Final

from rich.console import Console
from rich.style import Style
from rich.text import Text

from api.terminal.text.safe_text import clean

_PAGER: Final = 'LESS="${LESS:-FRX}" exec ${PAGER:-less}'
_STYLES: Final = (
    (("+++", "---", "diff ", "index "), Style(bold=True)),
    (("@@",), Style(color="cyan")),
    (("+",), Style(color="green")),
    (("-",), Style(color="red")),
)


def print_diff(diff: bytes, console: Console) -> None:
    """Print to standard output, as it stands unless a person reads it."""
    if not sys.stdout.isatty():
        sys.stdout.buffer.write(diff)
        sys.stdout.buffer.flush()
        return
    lines = [colour_line(line) for line in clean(diff.decode("utf-8", "replace")).splitlines()]
    if len(lines) >= console.height and _show_in_pager(lines, console):
        return
    for line in lines:
        console.print(line, soft_wrap=True)


def colour_line(line: str) -> Text:
    for starts, style in _STYLES:
        if line.startswith(starts):
            return Text(line, style=style)
    return Text(line)


def _show_in_pager(lines: list[Text], console: Console) -> bool:
    """Whether the user's pager, or `less`, took the lines."""
    with console.capture() as capture:
        for line in lines:
            console.print(line, soft_wrap=True)
    text = capture.get().encode("utf-8", "replace")
    try:
        ended = subprocess.run(["/bin/sh", "-c", _PAGER], input=text, check=False)
    except FileNotFoundError:  # Windows
        return False
    return ended.returncode not in {126, 127}
