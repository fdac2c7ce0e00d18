"""A check's command for some of its tests alone."""

import re
from collections.abc import Sequence
from typing import Final

from sandbox.checks.could_start import words_of
from sandbox.ecosystems.registry import ECOSYSTEMS

_SHELL: Final = frozenset("|;&<>`$(){}*?!\n")
_VARIABLES: Final = re.compile(r"(?:\w++=[^\s'\"\\]*+\s++)*+")


def select_tests(command: str, tests: Sequence[str]) -> str:
    """The command for these tests, as its report names them; nothing where there is none."""
    if _SHELL & set(command):
        return ""
    words = words_of(command)
    variables = _VARIABLES.match(command)
    selected = next(filter(None, (each.select(words, tests) for each in ECOSYSTEMS)), "")
    return f"{variables[0] if variables else ''}{selected}" if selected else ""
