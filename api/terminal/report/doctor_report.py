"""What `doctor` found, a line each, with how to fix what does not hold."""

from collections.abc import Iterable
from typing import Protocol

from rich.console import Group
from rich.text import Text

from api.terminal.display.choose_display import console_for
from api.terminal.display.live_display import WIDEST, line_texts
from api.terminal.text.safe_text import clean, clean_line
from api.terminal.text.styled_line import Line
from api.terminal.text.symbols import glyphs_for


class Result(Protocol):
    """One thing that was tried."""

    @property
    def name(self) -> str: ...
    @property
    def held(self) -> bool: ...
    @property
    def detail(self) -> str: ...
    @property
    def fix(self) -> str: ...
    @property
    def command(self) -> str:
        """A line to be copied whole."""
        ...

    @property
    def needed(self) -> bool:
        """Whether no run does without it."""
        ...


def report(results: Iterable[Result]) -> int:
    """Print the results; 0 where all that is needed holds."""
    tried = list(results)
    console = console_for()
    glyphs, width = glyphs_for(console.encoding), min(console.width, WIDEST)
    column = max((len(result.name) for result in tried), default=0)
    lines = [line for result in tried for line in _result_lines(result, column)]
    missing = [result for result in tried if not result.held]
    lines += [Line(), Line(_conclusion(missing), tone="strong")]
    console.print(Group(*(row for line in lines for row in line_texts(line, width, glyphs))))
    for command in filter(None, (clean_line(result.command) for result in tried)):
        console.print(Text(command), soft_wrap=True)  # a terminal copies its rows as one line
    return 1 if any(result.needed for result in missing) else 0


def _conclusion(missing: list[Result]) -> str:
    needed = ", ".join(clean_line(result.name) for result in missing if result.needed)
    optional = ", ".join(clean_line(result.name) for result in missing if not result.needed)
    if not missing:
        return "All is well."
    end = f"Runs need what is missing: {needed}." if needed else "All that is needed holds."
    return f"{end} Optional: {optional}." if optional else end


def _result_lines(result: Result, column: int) -> list[Line]:
    head = Line(
        f"{clean_line(result.name):<{column}}  {clean_line(result.detail)}",
        mark="good" if result.held else "bad" if result.needed else "warn",
        hang=column + 2,
    )
    fix = [] if result.held else [text for text in clean(result.fix).splitlines() if text.strip()]
    return [head, *(Line(text, indent=column + 4, tone="warn") for text in fix)]
