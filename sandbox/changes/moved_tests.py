"""Tests that a change moves with their file: in the change they have other ids."""

import re
from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from typing import Final

from sandbox.changes.parse_diff import FileDiff

_START: Final = re.compile(r"(?<![\w./-])(?=\S)")
_END: Final = re.compile(r"(?<=\S)(?![\w/-])")
_MOST: Final = 32
"""So many places of an id are tried as the start of a name, and as its end."""


def moved_ids(tests: Collection[str], files: Sequence[FileDiff], folder: str) -> dict[str, str]:
    """The ids in the change of these tests of the base, as runners make them of a file's path.

    By each id the one that it has on the base. Paths of ids are seen from `folder`; those of
    unittest have dots.
    """
    names = _new_names(files, f"{folder}/" if folder else "")
    longest = max(map(len, names), default=0)
    return {new: test for test in tests for new in _with_names(test, names, longest)}


def _new_names(files: Sequence[FileDiff], inside: str) -> dict[str, str]:
    """The new by the old: paths of tests that are moved, with dots, too."""
    names: dict[str, str] = {}
    for file in files:
        moved = file.status == "renamed" and file.old_path in file.tests
        if moved and file.old_path.startswith(inside):
            old, new = (path.removeprefix(inside) for path in (file.old_path, file.path))
            names[old] = new
            if old.endswith(".py"):
                names[_dotted(old)] = _dotted(new)
    return names


def _with_names(test: str, names: Mapping[str, str], longest: int) -> list[str]:
    """The id with each of the names in it put in the old one's place."""
    if not names:
        return []
    starts = [match.start() for match in islice(_START.finditer(test), _MOST)]
    ends = [match.start() for match in islice(_END.finditer(test), _MOST)]
    return [
        f"{test[:start]}{new}{test[end:]}"
        for start in starts
        for end in ends
        if start < end <= start + longest and (new := names.get(test[start:end]))
    ]


def _dotted(path: str) -> str:
    return path.removesuffix(".py").replace("/", ".")
