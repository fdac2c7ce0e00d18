"""A check's command for some of its tests alone."""

import re
from collections.abc import Callable, Collection, Sequence
from typing import Final

from graph import FolderCommand
from sandbox.checks.could_start import words_of
from sandbox.ecosystems.base import Ecosystem
from sandbox.ecosystems.registry import ECOSYSTEMS

_SHELL: Final = frozenset("|;&<>`$(){}*?!\n")
_VARIABLES: Final = re.compile(r"(?:\w++=[^\s'\"\\]*+\s++)*+")


def select_tests(command: str, tests: Sequence[str]) -> str:
    """The command for these tests, as its report names them; nothing where there is none."""
    return _rewrite(command, lambda each, words: each.select(words, tests))[1]


def tell_each_test(
    check: FolderCommand, files: Sequence[str], names: Collection[str]
) -> tuple[Ecosystem | None, str]:
    """The command for tests of these files and names (none: all) that tells how each ends.

    And the ecosystem that reads what it tells; nothing where there is none.
    """
    inside = f"{check.folder}/" if check.folder else ""
    own = [file.removeprefix(inside) for file in files if file.startswith(inside)]
    return _rewrite(check.command, lambda each, words: each.tell(words, own, names) if own else "")


def _rewrite(
    command: str, rewrite: Callable[[Ecosystem, Sequence[str]], str]
) -> tuple[Ecosystem | None, str]:
    if _SHELL & set(command):
        return None, ""
    words = words_of(command)
    variables = _VARIABLES.match(command)
    for each in ECOSYSTEMS:
        if rewritten := rewrite(each, words):
            return each, f"{variables[0] if variables else ''}{rewritten}"
    return None, ""
