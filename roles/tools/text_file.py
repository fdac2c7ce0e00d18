"""A text file as an editor sees it, written back with the bytes and line ends it had."""

from dataclasses import dataclass, replace
from typing import Self

_NUMBER_WIDTH = 6


class NotText(Exception):
    """Raised when a file is binary."""


@dataclass(frozen=True)
class TextFile:
    r"""Text with `\n` between lines; bytes that are no UTF-8 are carried along unchanged."""

    text: str
    crlf: bool = False

    @classmethod
    def decode(cls, path: str, data: bytes) -> Self:
        if b"\0" in data:
            raise NotText(f"{path} is a binary file.")
        text = data.decode("utf-8", errors="surrogateescape")
        crlf = "\r\n" in text and text.count("\r\n") == text.count("\n")
        return cls(text.replace("\r\n", "\n") if crlf else text, crlf)

    def encode(self) -> bytes:
        text = self.text.replace("\n", "\r\n") if self.crlf else self.text
        return text.encode("utf-8", errors="surrogateescape")

    @property
    def lines(self) -> list[str]:
        lines = self.text.split("\n")
        return lines[:-1] if lines[-1] == "" else lines

    def find_lines(self, part: str, most: int) -> list[int]:
        """Numbers of the lines at which `part` begins, overlapping ones too, up to `most`."""
        part = self._normal(part)
        found, line, seen, at = list[int](), 1, 0, self.text.find(part)
        while at != -1 and len(found) < most:
            line += self.text.count("\n", seen, at)
            found.append(line)
            seen, at = at, self.text.find(part, at + 1)
        return found

    def with_replaced(self, old: str, new: str) -> Self:
        return replace(self, text=self.text.replace(self._normal(old), self._normal(new), 1))

    def with_inserted(self, after: int, text: str) -> Self:
        """With `text` as lines of its own after that many lines."""
        lines = self.text.split("\n")
        new = self._normal(text).removesuffix("\n")
        return replace(self, text="\n".join([*lines[:after], new, *lines[after:]]))

    def numbered(self, first: int, last: int, max_length: int) -> str:
        """Lines with their numbers; where they are too long together the middle is left out."""
        shown = self.text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        lines = shown.split("\n")
        numbered = [
            f"{number:{_NUMBER_WIDTH}}\t{line}"
            for number, line in enumerate(lines[first - 1 : last], start=first)
        ]
        if sum(len(line) + 1 for line in numbered) <= max_length:
            return "\n".join(numbered)
        head = _take_fitting(numbered, max_length // 2)
        rest = numbered[: len(head) - 1 if head else None : -1]
        tail = _take_fitting(rest, max_length // 2)[::-1]
        left_out = f"[… lines {first + len(head)} to {last - len(tail)}: use view_range …]"
        return "\n".join([*head, left_out, *tail])

    def _normal(self, text: str) -> str:
        return text.replace("\r\n", "\n") if self.crlf else text


def _take_fitting(lines: list[str], length: int) -> list[str]:
    """As many of the first lines as fit; a first line that does not is cut."""
    fitting: list[str] = []
    for line in lines:
        length -= len(line) + 1
        if length < 0:
            return fitting or [line[: length + len(line)] + "[… the line goes on …]"]
        fitting.append(line)
    return fitting
