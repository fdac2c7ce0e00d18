"""The part of a check's output that says what failed, where there is no room for all of it."""

import re
from typing import Final

from sandbox.core.output import cut_middle
from sandbox.ecosystems.base import any_of
from sandbox.ecosystems.registry import ECOSYSTEMS

_LONGEST_LINE: Final = 1000
_NOISE: Final = any_of(each.noise for each in ECOSYSTEMS)
_BEGINS: Final = any_of(each.failures_begin for each in ECOSYSTEMS)
_LEFT_OUT: Final = "[… what passed, progress and warnings are left out …]\n"
_WARNINGS: Final = re.compile(r"=+ warnings summary(?: \(.*\))? =+")
_SECTION: Final = re.compile(r"=+ .* =+")


def excerpt(output: str, most: int) -> str:
    """At most `most` characters: from the first failure section on, both ends of it.

    What tells of each test that passed, how far a run is, and warnings go first.
    """
    if len(output) <= most:
        return output
    lines = output.split("\n")
    kept = _without_noise(lines)
    begin = next((n for n, line in enumerate(kept) if _BEGINS.fullmatch(_read(line))), 0)
    said = _LEFT_OUT if len(kept) - begin < len(lines) else ""
    return said + cut_middle("\n".join(kept[begin:]), most - len(said))


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
