"""Text that comes in pieces, given on line by line."""

from rich.cells import cell_len, chop_cells

_NARROWEST = 10
_CELL_CHARACTERS = 8
"""So much of a text is looked at for each cell: marks take none."""


class StreamingLineWrapper:
    """Breaks streamed text at `width` cells; what is not yet a whole line stays in `rest`."""

    def __init__(self, width: int) -> None:
        self.width = width
        self._spoken_lines = False
        self._wrapped = False
        self.rest = ""

    def feed(self, text: str) -> list[str]:
        """The lines that `text` completes; runs of blank lines become one."""
        if self._wrapped:  # a space does not begin a line that a break began
            text = text.lstrip(" ")
            if not text:
                return []
        *whole, self.rest = (self.rest + text).split("\n")
        lines: list[str] = []
        for line in whole:
            lines += self._merge_blank_lines(wrap(line, max(self.width, _NARROWEST)))
        *broken, self.rest = wrap(self.rest, max(self.width, _NARROWEST), keep_end=True)
        self._wrapped = bool(broken) and not self.rest
        return lines + self._merge_blank_lines(broken)

    def flush(self) -> list[str]:
        """What is left, at the end of a paragraph."""
        lines = self._merge_blank_lines([self.rest.rstrip()] if self.rest.strip() else [])
        self.rest, self._spoken_lines, self._wrapped = "", False, False
        return lines

    def _merge_blank_lines(self, lines: list[str]) -> list[str]:
        kept: list[str] = []
        for line in lines:
            if line.strip():
                kept.append(line.rstrip())
                self._spoken_lines = True
            elif self._spoken_lines:
                kept.append("")
                self._spoken_lines = False
        return kept


def wrap(text: str, width: int, *, hang: int = 0, keep_end: bool = False) -> list[str]:
    """`text` (one line) broken between words where it can be, inside one where it must be.

    Every line but the first stands in by `hang` cells.
    """
    hang = min(hang, width // 2)
    lines: list[str] = []
    while cell_len(near := text[: _CELL_CHARACTERS * (width + 1)]) > width:
        head = chop_cells(near, width)[0]
        space = head.rfind(" ", 1)
        if text[len(head) : len(head) + 1] == " ":
            space = len(head)
        if space > hang and head[:space].strip():
            lines.append(text[:space].rstrip())
            text = " " * hang + text[space:].lstrip()
        else:
            lines.append(head)
            text = " " * hang + text[len(head) :]
    return [*lines, text if keep_end else text.rstrip()]
