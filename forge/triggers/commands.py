"""Commands in a comment: words at a line's start, outside quotes and code."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from forge.text.sanitize_markdown import strip_html_comments

_COMMAND: Final = re.compile(
    r" {0,3}([/@][A-Za-z0-9][A-Za-z0-9-]{0,99})(?![A-Za-z0-9_/@.-])[ \t,:]*(.*)"
)
_FENCE: Final = re.compile(r" {0,3}(`{3,}(?=[^`]*\Z)|~{3,})")
_CODE: Final = re.compile(r"(?: {4}|\t)")
_TAG: Final = re.compile(r"(?i)<(/?)(pre|code|blockquote)\b")
_INLINE: Final = re.compile(r"`[^`\n]*`")


class _OpenTags:
    """Code and quotes that are written as HTML, over the lines of a text."""

    def __init__(self, text: str) -> None:
        found = _TAG.findall(_INLINE.sub("", text))
        self._closings = Counter(tag.lower() for end, tag in found if end)
        self._open = ""

    def pass_line(self, line: str, *, counts: bool) -> bool:
        """Whether a line begins inside of one. What is never closed is none."""
        inside = bool(self._open)
        for end, name in _TAG.findall(_INLINE.sub("", line)):
            tag = name.lower()
            if end:
                self._closings[tag] -= 1
                self._open = "" if self._open == tag else self._open
            elif counts and not self._open and self._closings[tag] > 0:
                self._open = tag
        return inside


@dataclass(frozen=True)
class Command:
    """`word` is `/coding-agent` or `@app` in lower case, `rest` what follows on its line."""

    word: str
    rest: str


def read_commands(text: str) -> tuple[Command, ...]:
    """The commands of a comment. HTML comments hold none."""
    return tuple(_commands(strip_html_comments(text)))


def _commands(text: str) -> Iterator[Command]:
    fence, tags = "", _OpenTags(text)
    for line in text.split("\n"):
        opened = _FENCE.match(line)
        if tags.pass_line(line, counts=not fence):
            continue
        if fence:
            closes = opened and opened[1].startswith(fence) and not line.strip(" `~\t")
            fence = "" if closes else fence
        elif opened:
            fence = opened[1]
        elif not _CODE.match(line) and (found := _COMMAND.match(line)):
            yield Command(found[1].lower(), found[2].strip())
