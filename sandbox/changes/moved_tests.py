"""Tests that a change moves with their file: in the change they have other ids."""

import re
from collections.abc import Collection, Iterator, Sequence

from sandbox.changes.parse_diff import FileDiff


def moved_ids(tests: Collection[str], files: Sequence[FileDiff], folder: str) -> Iterator[str]:
    """The ids in the change of these tests of the base, as runners make them of a file's path.

    Paths of ids are seen from `folder`; those of unittest have dots.
    """
    inside = f"{folder}/" if folder else ""
    for file in (each for each in files if each.status == "renamed"):
        if file.old_path in file.tests and file.old_path.startswith(inside):
            old, new = (path.removeprefix(inside) for path in (file.old_path, file.path))
            yield from _with_name(tests, old, new)
            if old.endswith(".py"):
                yield from _with_name(tests, _dotted(old), _dotted(new))


def _with_name(tests: Collection[str], old: str, new: str) -> Iterator[str]:
    """Those that have the one name, with the other in its place."""
    named = re.compile(rf"(?<![\w./]){re.escape(old)}(?![\w/])")
    for test in tests:
        if match := named.search(test):
            yield f"{test[: match.start()]}{new}{test[match.end() :]}"


def _dotted(path: str) -> str:
    return path.removesuffix(".py").replace("/", ".")
