"""What a drawing is made of: one statement a line, with its meaning instead of its look."""

from dataclasses import dataclass
from typing import Literal

Tone = Literal["plain", "strong", "dim", "good", "bad", "warn", "now"]
Mark = Literal["", "good", "bad", "warn", "open", "bar"]


@dataclass(frozen=True)
class Line:
    """One statement, behind a mark or none; `right` stands at the right edge."""

    text: str = ""
    indent: int = 0
    mark: Mark = ""
    right: str = ""
    tone: Tone = "plain"
    right_tone: Tone = "dim"
    wrap: bool = True
    """Whether a long text goes on in the next line; else it is cut."""
    hang: int = 0
    """How far the next lines of a wrapped text stand in."""
    whole: bool = False
    """Whether it is neither wrapped nor cut: what a reader copies, such as a path."""


BLANK = Line()


def cut(lines: list[Line], limit: int, noun: str) -> list[Line]:
    """At most `limit` lines; the last then says how many more there are."""
    if len(lines) <= limit:
        return lines
    rest = len(lines) - limit
    return [*lines[:limit], Line(f"and {rest} more {noun}", indent=lines[0].indent, tone="dim")]


def tail(output: str, limit: int, indent: int) -> list[Line]:
    """The last lines of a command's output, below a word on how many came before."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    kept = [
        Line(line, indent=indent, mark="bar", tone="dim", wrap=False) for line in lines[-limit:]
    ]
    if len(lines) > limit:
        more = f"… {len(lines) - limit} more lines above"
        kept.insert(0, Line(more, indent=indent, mark="bar", tone="dim"))
    return kept
