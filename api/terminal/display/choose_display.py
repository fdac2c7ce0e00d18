"""Which drawing fits what was asked for and where the output goes."""

import sys

from rich.console import Console

from api.terminal.display.live_display import LiveDisplay
from api.terminal.display.plain_display import PlainDisplay
from api.terminal.display.run_display import RunDisplay
from api.terminal.display.script_display import JsonDisplay, ResultDisplay


def console_for(out: object = None) -> Console:
    """A console that takes text for what it is: no markup, no emoji names, no guessed colours."""
    return Console(file=out or sys.stdout, markup=False, highlight=False, emoji=False)  # type: ignore[arg-type]


def drawing_console() -> Console | None:
    """Standard output where it is a terminal on which lines can be drawn over."""
    console = console_for()
    draws = sys.stdout.isatty() and console.is_interactive and not console.is_dumb_terminal
    return console if draws else None


def choose_display(*, json: bool = False, quiet: bool = False) -> RunDisplay:
    """Live on a terminal, plain lines elsewhere, terse where asked."""
    if json:
        return JsonDisplay(sys.stdout)
    if quiet:
        return ResultDisplay(sys.stdout)
    console = drawing_console()
    return LiveDisplay(console) if console else PlainDisplay(sys.stdout)
