"""The few signs that drawings use, and their stand-ins where the terminal has no Unicode."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Glyphs:
    good: str = "✓"
    bad: str = "✗"
    warn: str = "!"
    open: str = "●"
    bar: str = "│"
    todo: str = "○"
    working: tuple[str, ...] = ("⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏")

    def mark(self, name: str) -> str:
        """The sign of a line's mark; empty for none."""
        marks = {
            "good": self.good,
            "bad": self.bad,
            "warn": self.warn,
            "open": self.open,
            "bar": self.bar,
        }
        return marks.get(name, "")


UNICODE = Glyphs()
ASCII = Glyphs("+", "x", "!", "*", "|", "o", ("-", "\\", "|", "/"))


def glyphs_for(encoding: str | None) -> Glyphs:
    """Unicode signs where `encoding` has them."""
    try:
        "✓✗●│○⠋".encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE
