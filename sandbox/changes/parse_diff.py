"""The diff of a change as the trusted side wrote it, read file by file."""

import asyncio
import re
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, Self

from sandbox.ecosystems.test_files import (
    is_code,
    is_part_of_source,
    is_test,
    test_folder,
    touches_tests_inside,
)

Status = Literal["added", "deleted", "renamed", "modified"]

_FILE: Final = re.compile(r"^(?=diff --git )", re.MULTILINE)
_HEAD: Final = re.compile(
    r"^(rename from|rename to|---|\+\+\+|new file|deleted file) (?!/dev/null$)(.*)$", re.MULTILINE
)
_HUNK: Final = re.compile(r"@@ -\d+(?:,\d+)? \+(\d+)")
_ESCAPE: Final = re.compile(r'\\([0-7]{3}|[abtnvfr"\\])')
_ESCAPED: Final = dict(zip("abtnvfr", "\a\b\t\n\v\f\r", strict=True))
_PROSE: Final = re.compile(r"\.(?:md|markdown|rst|adoc)$", re.IGNORECASE)
_MAX_READ: Final = 8_000_000


@dataclass(frozen=True)
class FileDiff:
    """What a change does to one file; `added` has each line with its number in the new file.

    `tests` and `code` are those of its two paths that are of tests, and of code. `tests_inside`: it
    may alter tests inside of a source, or that a source names.
    """

    path: str
    old_path: str
    status: Status
    text: str
    added: tuple[tuple[int, str], ...]
    removed: tuple[str, ...]
    tests: frozenset[str] = frozenset()
    code: tuple[str, ...] = ()
    tests_inside: bool = False

    @property
    def is_test(self) -> bool:
        return self.path in self.tests

    @property
    def paths(self) -> tuple[str, ...]:
        """The old one first."""
        return tuple(dict.fromkeys((self.old_path, self.path)))

    @property
    def shown(self) -> str | None:
        """All of its contents, where the diff shows them: those of a file that is new or gone."""
        lines = {"added": (line for _, line in self.added), "deleted": self.removed}
        return "\n".join(lines[self.status]) if self.status in lines else None

    def known(self, text: str | None, empty: Collection[str] = ()) -> "FileDiff":
        """With what `text`, its contents, says of it; no tests are in the folders `empty`."""
        tests = (p for p in self.paths if is_test(p, text, among_tests=test_folder(p) not in empty))
        code = tuple(path for path in self.paths if is_code(path, text))
        known = replace(self, tests=frozenset(tests), code=code)
        changed = (*self.removed, *(line for _, line in self.added))
        shown = "\n".join(line[1:] for line in self.text.split("\n")) if text is None else text
        inside = (
            is_part_of_source(self.path)
            if known.is_test
            else touches_tests_inside(self.path, shown, changed)
        )
        return replace(known, tests_inside=inside and self.status != "deleted")


def file_diffs(text: str) -> tuple[FileDiff, ...]:
    """The files of a diff as git writes it; what stands before the first belongs to none."""
    return tuple(_file(part) for part in _FILE.split(text) if part.startswith("diff --git "))


@dataclass(frozen=True)
class Diff:
    """A whole change as git writes it; `cut`: there is more of it than was read."""

    files: tuple[FileDiff, ...] = ()
    text: str = ""
    cut: bool = False

    @property
    def code(self) -> list[str]:
        """Changed paths of code, before and after; documents and data need no proof."""
        return list(dict.fromkeys(path for file in self.files for path in file.code))

    @property
    def is_prose(self) -> bool:
        """Whether it changes documents alone, which no check has to hold."""
        paths = [path for file in self.files for path in file.paths]
        return bool(paths) and not self.cut and all(map(_PROSE.search, paths))

    @property
    def tests(self) -> frozenset[str]:
        """Changed paths of tests, before and after."""
        return frozenset().union(*(file.tests for file in self.files))

    @classmethod
    def read(cls, text: str, *, cut: bool = False) -> Self:
        return cls(file_diffs(text), text, cut)

    @classmethod
    async def load(cls, path: Path) -> Self | None:
        """The change that the trusted side wrote there; None where it wrote none."""
        with suppress(FileNotFoundError):
            return await asyncio.to_thread(cls._load, path)
        return None

    @classmethod
    def _load(cls, path: Path) -> Self:
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            return cls.read(file.read(_MAX_READ), cut=bool(file.read(1)))


def _file(text: str) -> FileDiff:
    head, _, hunks = text.partition("\n@@ ")
    named = {mark: _unquoted(rest) for mark, rest in _HEAD.findall(head)}
    both = head.partition("\n")[0].removeprefix("diff --git ")
    unnamed = _unquoted(both[: len(both) // 2])[2:]  # where nothing but the mode differs
    old = named.get("rename from") or named.get("---", "")[2:]
    new = named.get("rename to") or named.get("+++", "")[2:]
    old, new = old or new or unnamed, new or old or unnamed
    status: Status = "modified" if old == new else "renamed"
    if "new file" in named or "deleted file" in named:
        status = "added" if "new file" in named else "deleted"
    file = FileDiff(new, old, status, text, *_lines(f"@@ {hunks}"))
    return file.known(file.shown)


def _lines(hunks: str) -> tuple[tuple[tuple[int, str], ...], tuple[str, ...]]:
    """The added lines with their numbers, and the removed ones."""
    added: list[tuple[int, str]] = []
    removed: list[str] = []
    number = 0
    for line in hunks.split("\n"):
        sign, rest = line[:1], line[1:]
        if hunk := _HUNK.match(line):
            number = int(hunk[1])
        elif sign == "-":
            removed.append(rest)
        elif sign in ("+", " "):
            if sign == "+":
                added.append((number, rest))
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
