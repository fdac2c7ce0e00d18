"""Ways to show all runs as they change: a table on a terminal, lines elsewhere."""

import json
import sys
from abc import ABC, abstractmethod
from typing import Final, Self, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.style import Style
from rich.text import Text

from api.terminal.board.run_rows import Row, RunRows
from api.terminal.display.choose_display import console_for, drawing_console
from api.terminal.report.run_table import run_texts
from api.terminal.text.safe_text import clean

_FOOT_ROWS: Final = 4
"""Head, a blank line, the counts, and where the terminal's own prompt will be."""


class RunBoard(ABC):
    """Shows rows while it is entered."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    @abstractmethod
    def show(self, row: Row, *, rings: bool) -> None:
        """A row is new or has changed; `rings`: its run waits from now on."""

    def draw(self) -> None:
        """Draw what is known now; also where only time has passed."""
        return

    def note(self, text: str) -> None:
        """Say something that is not a run's."""
        sys.stderr.write(clean(text) + "\n")
        sys.stderr.flush()


class LiveBoard(RunBoard):
    """The table for a terminal: as many rows as it has, at most `limit`."""

    def __init__(self, console: Console, rows: RunRows, limit: int) -> None:
        self._console = console
        self._rows = rows
        self._limit = limit
        self._note = ""
        self._live = Live(console=console, auto_refresh=False, redirect_stdout=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, row: Row, *, rings: bool) -> None:  # noqa: ARG002  # all rows are drawn
        if rings:
            self._console.bell()
        self._note = ""
        self.draw()

    def note(self, text: str) -> None:
        self._note = clean(text)
        self.draw()

    def draw(self) -> None:
        shown = self._rows.ordered(max(1, min(self._limit, self._console.height - _FOOT_ROWS)))
        table = run_texts([dict(row) for row in shown], self._console)
        self._live.update(Group(*table, Text(), self._foot()), refresh=True)

    def _foot(self) -> Text:
        waiting, working, ended = self._rows.counts()
        told = f"{waiting} waiting · {working} at work · {ended} ended · Ctrl-C leaves"
        foot = Text(self._note or told, style=Style(dim=True), no_wrap=True, overflow="ellipsis")
        foot.truncate(self._console.width, overflow="ellipsis")
        return foot


class LineBoard(RunBoard):
    """A line for each change; as JSON, or as the table has it."""

    def __init__(self, out: TextIO, *, json: bool) -> None:
        self._out = out
        self._json = json
        self._console = console_for(out)

    def show(self, row: Row, *, rings: bool) -> None:  # noqa: ARG002  # nobody listens
        if self._json:
            self._out.write(json.dumps(row, separators=(",", ":")) + "\n")
        else:
            for text in run_texts([dict(row)], self._console, head=False):
                self._console.print(text, soft_wrap=True)
        self._out.flush()


def choose_board(rows: RunRows, limit: int, *, as_json: bool) -> RunBoard:
    """A table where a person looks on, lines elsewhere."""
    console = None if as_json else drawing_console()
    return LiveBoard(console, rows, limit) if console else LineBoard(sys.stdout, json=as_json)
