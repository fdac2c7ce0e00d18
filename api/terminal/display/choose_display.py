"""Which drawing fits what was asked for and where the output goes."""

import sys

from rich.console import Console

from api.terminal.display.live_display import Progress
from api.terminal.display.plain_display import PlainProgress
from api.terminal.display.run_display import Drawing
from api.terminal.display.script_display import JsonLines, ResultOnly


def console_for(out: object = None) -> Console:
    """A console that takes text for what it is: no markup, no emoji names, no guessed colours."""
    return Console(file=out or sys.stdout, markup=False, highlight=False, emoji=False)  # type: ignore[arg-type]


def drawing_for(*, json: bool = False, quiet: bool = False) -> Drawing:
    """Live on a terminal, plain lines elsewhere, terse where asked."""
    if json:
        return JsonLines(sys.stdout)
    if quiet:
        return ResultOnly(sys.stdout)
    console = console_for()
    draws = sys.stdout.isatty() and console.is_interactive and not console.is_dumb_terminal
    return Progress(console) if draws else PlainProgress(sys.stdout)
