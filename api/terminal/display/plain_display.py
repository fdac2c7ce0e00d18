"""A run as plain lines, for logs and for terminals that cannot draw."""

from typing import Final, TextIO

from api.terminal.display.event_lines import EventLines
from api.terminal.display.run_display import Event, RunDisplay
from api.terminal.text.human_units import duration
from api.terminal.text.safe_text import clean
from api.terminal.text.styled_line import Line
from api.terminal.text.symbols import glyphs_for

_LONGEST: Final = 2000
_CUT: Final = 200


class PlainDisplay(RunDisplay):
    """Writes each line with the run's time before it, and nothing twice."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._encoding = out.encoding or "utf-8"  # a stream without one takes all letters
        self._glyphs = glyphs_for(self._encoding)
        self._lines = EventLines(_LONGEST)

    def show(self, event: Event) -> None:
        lines = [line for line in self._lines.render(event) if line.text]
        for line in lines:
            self._write(self._row(line))
        if lines:
            self._out.flush()

    def note(self, text: str) -> None:
        for line in clean(text).splitlines():
            self._write(line)
        self._out.flush()

    def _row(self, line: Line) -> str:
        sign = self._glyphs.mark(line.mark)
        whole = line.wrap or line.whole or len(line.text) <= _CUT
        text = line.text if whole else line.text[: _CUT - 1] + "…"
        mark = f"{sign} " if sign else ""
        right = f"  ({line.right})" if line.right else ""
        elapsed = duration(self._lines.state.elapsed)
        return f"{elapsed:>7}  {' ' * line.indent}{mark}{text}{right}"

    def _write(self, row: str) -> None:
        self._out.write(row.encode(self._encoding, "replace").decode(self._encoding) + "\n")
