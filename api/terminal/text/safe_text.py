"""Text of models, repositories and servers, made safe to show on a terminal."""

import re
import unicodedata
from typing import Final

_ESCAPES: Final = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b[\]PX^_][^\x07\x1b\x9c\n]{0,2048}(?:\x07|\x1b\\|\x9c)"  # OSC, DCS, APC: titles, links
    r"|\x1b[ -/]*[0-~]?"
    r"|\x9b[0-?]*[ -/]*[@-~]"
)
_DROPPED: Final = frozenset(("Cc", "Cf", "Co", "Cn"))
_MARKS: Final = frozenset(("Mn", "Me"))
_MAX_MARKS: Final = 3
_PLAIN: Final = re.compile(r"[\n -~]*")


def clean(text: str) -> str:
    """`text` without anything a terminal would act on; line breaks stay.

    Escape sequences, control and format characters go (the ones that turn the writing direction
    too), lone surrogates become a replacement sign, and marks do not pile up on one letter.
    """
    if _PLAIN.fullmatch(text):
        return text
    text = _ESCAPES.sub("", text).replace("\r\n", "\n").replace("\t", "    ")
    kept: list[str] = []
    marks = 0
    for character in text:
        category = unicodedata.category(character)
        marks = marks + 1 if category in _MARKS else 0
        if character in "\n\r\x0b\x0c\x85\u2028\u2029":
            kept.append("\n")
        elif category == "Cs":
            kept.append("\ufffd")
        elif category not in _DROPPED and marks <= _MAX_MARKS:
            kept.append(character)
    return "".join(kept)


def clean_line(text: str) -> str:
    """`text` as one line: cleaned, and each run of white space a single space."""
    return " ".join(clean(text).split())
