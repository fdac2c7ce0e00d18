"""The part of a check's output that says what failed, where there is no room for all of it."""

import re
from typing import Final

from sandbox.core.output import cut_middle
from sandbox.ecosystems.base import any_of
from sandbox.ecosystems.registry import ECOSYSTEMS

_LONGEST_LINE: Final = 1000
_NOISE: Final = any_of(each.noise for each in ECOSYSTEMS)
_BEGINS: Final = any_of(each.failures_begin for each in ECOSYSTEMS)
_BEFORE: Final = 6
"""Some runners print what a test said before they say that it failed."""
_AFTER: Final = (60, 30, 15, 8, 3)
_LAST: Final = 12
_GAP: Final = "[…]"
_LEFT_OUT: Final = "[… what passed, progress and warnings are left out …]\n"
_WARNINGS: Final = re.compile(r"=+ warnings summary(?: \(.*\))? =+")
_SECTION: Final = re.compile(r"=+ .* =+")


def excerpt(output: str, most: int) -> str:
    """At most `most` characters: from the first failure section on.

    What tells of each test that passed, how far a run is, and warnings go first. Of what is still
    too long the lines around the begin of each failure are kept, and the end; else both ends.
    """
    if len(output) <= most:
        return output
    lines = output.split("\n")
    kept = _without_noise(lines)
    begins = [n for n, line in enumerate(kept) if _BEGINS.fullmatch(_read(line))]
    begin = max(0, begins[0] - _BEFORE) if begins else 0
    said = _LEFT_OUT if len(kept) - begin < len(lines) else ""
    room = most - len(said)
    text = "\n".join(kept[begin:])
    if len(text) > room and len(begins) > 1:
        around = (_around(kept, begins, after) for after in _AFTER)
        text = next((each for each in around if len(each) <= room), text)
    return said + cut_middle(text, room)


def _around(lines: list[str], begins: list[int], after: int) -> str:
    """The lines around some of them, and the last ones."""
    wanted = {n for begin in begins for n in range(begin - _BEFORE, begin + after)}
    wanted.update(range(len(lines) - _LAST, len(lines)))
    shown: list[str] = []
    for number, line in enumerate(lines):
        if number in wanted:
            shown.append(line)
        elif shown[-1:] != [_GAP]:
            shown.append(_GAP)
    return "\n".join(shown)


def _without_noise(lines: list[str]) -> list[str]:
    kept: list[str] = []
    in_warnings = False
    for line in lines:
        read = _read(line)
        if _SECTION.fullmatch(read):
            in_warnings = _WARNINGS.fullmatch(read) is not None
        if not in_warnings and not _NOISE.fullmatch(read):
            kept.append(line)
    return kept


def _read(line: str) -> str:
    return line[:_LONGEST_LINE].rstrip()
