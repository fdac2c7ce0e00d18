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
    hang, most = min(hang, width // 2), _CELL_CHARACTERS * (width + 1)
    lines: list[str] = []
    begin, at = "", 0
    while True:
        near = (begin + text[at : at + most])[:most]
        end = at + len(near) - len(begin)
        fits = cell_len(near) <= width
        if fits and end == len(text):
            return [*lines, near if keep_end else near.rstrip()]
        head = near if fits else chop_cells(near, width)[0]
        end = at + len(head) - len(begin)
        space = len(head) if text[end : end + 1] == " " else head.rfind(" ", 1)
        if space > hang and head[:space].strip():
            lines.append(head[:space].rstrip())
            at = _skip_blank(text, at + space - len(begin))
        else:
            lines.append(head)
            at = end
        begin = " " * hang


def _skip_blank(text: str, at: int) -> int:
    """Where the next word begins."""
    while at < len(text) and text[at].isspace():
        at += 1
    return at
