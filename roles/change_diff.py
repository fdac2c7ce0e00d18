"""The readable diff of a change, read file by file."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from roles.fenced import fenced

Status = Literal["added", "deleted", "renamed", "modified"]

_FILE: Final = re.compile(r"^(?=diff --git )", re.MULTILINE)
_HUNK: Final = re.compile(r"@@ -\d+(?:,\d+)? \+(\d+)")
_ESCAPE: Final = re.compile(r'\\([0-7]{3}|[abtnvfr"\\])')
_ESCAPED: Final = dict(zip("abtnvfr", "\a\b\t\n\v\f\r", strict=True))
_MAX_LISTED: Final = 200
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


@dataclass(frozen=True)
class ChangeDiff:
    """What a change does, in the order of its files."""

    files: tuple[FileDiff, ...]
    text: str
    cut: bool = False
    """There is more of it than was read."""

    @classmethod
    def read(cls, text: str, *, cut: bool = False) -> "ChangeDiff":
        """The diff as git writes it; what stands before the first file belongs to none."""
        parts = _FILE.split(text)
        files = tuple(_file(part) for part in parts if part.startswith("diff --git "))
        return cls(files, text, cut)

    @classmethod
    async def load(cls, path: Path) -> "ChangeDiff | None":
        """The diff that the trusted side wrote; None where it wrote none."""
        try:
            return await asyncio.to_thread(_load, path)
        except FileNotFoundError:
            return None

    def shown(self, most: int) -> str:
        """All of it, or of too much all files by name and of the large ones both ends."""
        if len(self.text) <= most or len(self.files) < 2:
            return fenced("diff", self.text, most)
        share = _share([len(file.text) for file in self.files], most)
        parts = [fenced("diff", file.text, share) for file in self.files]
        kept = [part for part, room in zip(parts, _running(parts), strict=True) if room <= 2 * most]
        listed = [
            f"{file.path}: {file.status}, +{len(file.added)} -{len(file.removed)}"
            for file in self.files[:_MAX_LISTED]
        ]
        if more := len(self.files) - len(listed):
            listed.append(f"and {more} more")
        if self.cut:
            listed.append("and what follows: the rest of the diff was not read")
        note = "The diff is long; of large files both ends are shown. All files of the change:"
        return "\n".join([note, fenced("files_changed", "\n".join(listed), most), *kept])


def _load(path: Path) -> ChangeDiff:
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        text = file.read(_MAX_READ)
        return ChangeDiff.read(text, cut=bool(file.read(1)))


def _share(sizes: Sequence[int], most: int) -> int:
    """The size up to which each is shown, so that all together come to about `most`."""
    left, share = most, most
    for number, size in enumerate(sorted(sizes)):
        share = left // (len(sizes) - number)
        if size > share:
            break
        left -= size
    return max(share, 200)


def _running(parts: Sequence[str]) -> list[int]:
    total, running = 0, []
    for part in parts:
        total += len(part)
        running.append(total)
    return running


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
