"""Text that a model or a repository wrote, made harmless for where a forge will render it.

A zero-width space inside a mention, a reference, a tag or an image keeps the text readable and
takes its effect away.
"""

import re
import unicodedata
from typing import Final

BREAK: Final = "\u200b"
_CUT: Final = " […]"
_READ: Final = 4
"""How many times its limit a text is read: the rest would be cut off anyway."""
_UNSEEN: Final = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
_EFFECTS: Final = re.compile(
    r"""
      (?<=@)(?=[\w-])                                # a mention
    | (?<=\#)(?=\d)                                  # an issue, here or in another repository
    | (?<=\bgh-)(?=\d)                               # the same, in its other spelling
    | (?<=/issues/)(?=[\d%]) | (?<=/pull/)(?=[\d%]) | (?<=/discussions/)(?=[\d%])
    | (?<=<)(?=[a-z/!?])                             # HTML, and links in angle brackets
    | (?<=&)(?=\#?\w+;)                              # a character by its name or number
    | (?<=!)(?=\[)                                   # an image
    | (?<=\])(?=\((?!\s*+<?+(?:https?://|[\w./\#-]*[\s)>?])))          # a link to no page
    | (?<=\])(?=:(?!\s*+<?+(?:https?://|[\w./\#-]*(?:[\s>?]|\Z))))     # the same, by its name
    | (?<=skip)(?=[ -]?(?:ci|actions|checks)\b) | (?<=\bci)(?=\ skip\b) | (?<=\bno)(?=\ ?_?ci\b)
    | (?<=\[skip)(?=[ -][a-z-]{1,30}\]) | (?<=\[)(?=[a-z-]{1,30}[ -]skip\])  # of other services
    """,
    re.VERBOSE | re.IGNORECASE,
)
_COMMAND: Final = re.compile(r"(?m)^([ \t>*-]*/)(?=[A-Za-z])")
"""What robots of a repository take for an order, such as `/approve`."""
_TRAILER: Final = re.compile(r"(?m)^([ \t>*-]*[A-Za-z0-9]+(?:-[A-Za-z0-9]+)+)([ \t]*:)")
_STRUCTURE: Final = re.compile(
    r"(?m)^( {0,3})(?=#{1,6}(?:[ \t]|$)|[=-]+[ \t]*$|(?:[*_][ \t]*){3,}$)"
)
_COMMENT: Final = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_LONGEST: Final = 65_536
"""Characters of the longest text that GitHub takes."""
_INLINE: Final = re.compile(r"(?m)^( {0,3})(?=`{3,}+[^`\n]+`)")
"""Code within a line, at its begin, which some take for the begin of a block."""
_FENCE: Final = re.compile(r"^ {0,3}(`{3,}|~{3,})(.*)$")


def strip_html_comments(text: str) -> str:
    """A text as its readers see it, of at most 65,536 characters, with newlines alone."""
    return _COMMENT.sub("", text[:_LONGEST].replace("\r\n", "\n"))


def line(text: str, limit: int) -> str:
    """One harmless line."""
    return _broken(cut(" ".join(visible(text[: limit * _READ]).split()), limit))


def paragraphs(text: str, limit: int) -> str:
    """Harmless text of several lines that cannot begin a section or leave a code block open."""
    shown = cut(visible(text[: limit * _READ]).strip(), limit)
    broken = _TRAILER.sub(rf"\1{BREAK}\2", _broken(shown))
    inline = _INLINE.sub(rf"\1{BREAK}", _STRUCTURE.sub(r"\1\\", broken))
    return _closed(inline)


def code(text: str, limit: int) -> str:
    """One line as inline code, whatever backticks it holds."""
    shown = line(text, limit)
    if not shown:
        return "``"
    ticks = "`" * (_longest_ticks(shown) + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{ticks}{pad}{shown}{pad}{ticks}"


def code_block(text: str, language: str, limit: int) -> str:
    """The text as it is, as a block of code; nothing where it is too long or hides something."""
    if len(text) > limit or visible(text) != text:
        return ""
    ticks = "`" * max(3, _longest_ticks(text) + 1)
    return f"{ticks}{language}\n{text.strip()}\n{ticks}"


def _longest_ticks(text: str) -> int:
    return max((len(run) for run in re.findall(r"`+", text)), default=0)


def visible(text: str) -> str:
    """The text without control, formatting, bidi, private and surrogate characters."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    kept = (char for char in plain if char in "\n\t" or unicodedata.category(char) not in _UNSEEN)
    return "".join(kept)


def cut(text: str, limit: int) -> str:
    """At most `limit` characters, the end marked where some are missing."""
    return text if len(text) <= limit else text[: limit - len(_CUT)].rstrip() + _CUT


def _broken(text: str) -> str:
    return _COMMAND.sub(rf"\1{BREAK}", _EFFECTS.sub(BREAK, text))


def _closed(text: str) -> str:
    """Close the code block that the text leaves open."""
    fence = ""
    for row in text.splitlines():
        found = _FENCE.match(row)
        if not found:
            continue
        marks, rest = found[1], found[2]
        if not fence:
            fence = marks
        elif marks[0] == fence[0] and len(marks) >= len(fence) and not rest.strip():
            fence = ""
    return f"{text}\n{fence}" if fence else text
