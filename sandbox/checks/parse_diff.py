"""The diff of a change as the trusted side wrote it, read file by file."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

Status = Literal["added", "deleted", "renamed", "modified"]

_FILE: Final = re.compile(r"^(?=diff --git )", re.MULTILINE)
_HUNK: Final = re.compile(r"@@ -\d+(?:,\d+)? \+(\d+)")
_ESCAPE: Final = re.compile(r'\\([0-7]{3}|[abtnvfr"\\])')
_ESCAPED: Final = dict(zip("abtnvfr", "\a\b\t\n\v\f\r", strict=True))
_MAX_READ: Final = 8_000_000


@dataclass(frozen=True)
class FileDiff:
    """What a change does to one file; `added` has each line with its number in the new file."""

    path: str
    old_path: str
    status: Status
    text: str
    added: tuple[tuple[int, str], ...]
    removed: tuple[str, ...]


def file_diffs(text: str) -> tuple[FileDiff, ...]:
    """The files of a diff as git writes it; what stands before the first belongs to none."""
    return tuple(_file(part) for part in _FILE.split(text) if part.startswith("diff --git "))


def load_diff(path: Path) -> tuple[str, bool]:
    """The text of a diff, and whether there is more of it than was read. Blocks."""
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        return file.read(_MAX_READ), bool(file.read(1))


def _file(text: str) -> FileDiff:
    head, at, hunks = text.partition("\n@@ ")
    lines = head.split("\n")
    old, new = _paths(lines)
    added, removed = _lines(f"@@ {hunks}" if at else "")
    status: Status = "modified"
    if any(line.startswith("new file mode") for line in lines):
        status = "added"
    elif any(line.startswith("deleted file mode") for line in lines):
        status = "deleted"
    elif old != new:
        status = "renamed"
    return FileDiff(new, old, status, text, added, removed)


def _paths(head: Sequence[str]) -> tuple[str, str]:
    """The path before and after; that of a new or deleted file twice."""
    named: dict[str, str] = {}
    for line in head[1:]:
        for mark in ("rename from ", "rename to ", "--- ", "+++ "):
            if line.startswith(mark) and line != f"{mark}/dev/null":
                named[mark] = _unquoted(line.removeprefix(mark))
    old = named.get("rename from ") or named.get("--- ", "")[2:]
    new = named.get("rename to ") or named.get("+++ ", "")[2:]
    if not old and not new:
        both = head[0].removeprefix("diff --git ")
        half = _unquoted(both[: len(both) // 2])
        old = new = half[2:]
    return old or new, new or old


def _lines(hunks: str) -> tuple[tuple[tuple[int, str], ...], tuple[str, ...]]:
    added: list[tuple[int, str]] = []
    removed: list[str] = []
    number = 0
    for line in hunks.split("\n"):
        if hunk := _HUNK.match(line):
            number = int(hunk[1])
        elif line.startswith("+"):
            added.append((number, line[1:]))
            number += 1
        elif line.startswith("-"):
            removed.append(line[1:])
        elif line.startswith(" "):
            number += 1
    return tuple(added), tuple(removed)


def _unquoted(path: str) -> str:
    """A path as git writes it: quoted where it has odd characters, a tab behind one with spaces."""
    path = path.removesuffix("\t")
    if not (path.startswith('"') and path.endswith('"')):
        return path
    return _ESCAPE.sub(_unescaped, path[1:-1])


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    return chr(int(code, 8)) if len(code) == 3 else _ESCAPED.get(code, code)
