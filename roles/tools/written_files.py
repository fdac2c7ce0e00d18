"""Which files a role wrote, by its editor or by its words to a shell."""

import posixpath
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from sandbox import WORKSPACE

_MOST: Final = 1_000
_MOST_CHARS: Final = 200_000
_MOST_FOLDERS: Final = 5
_WORD: Final = r"(?:'([^'\n]{1,1000}+)'|\"([^\"$`\n]{1,1000}+)\"|([^\s'\"<>|;&()$`]{1,1000}+))"
_TARGET: Final = re.compile(
    rf"(?<![<>&\d])>{{1,2}}+\|?+[ \t]*+{_WORD}|\btee[ \t]++(?:-a[ \t]++)?+{_WORD}"
)
"""Where a shell puts what a program says."""
_EDITS: Final = ("create", "str_replace", "insert")
_COPIERS: Final = ("cp", "mv", "install")
_PARTS: Final = re.compile(r"[;&|\n]")
_FOLDER: Final = re.compile(rf"\bcd[ \t]++{_WORD}")
_LOG: Final = re.compile(r".*\.(?:log|out|tmp|pid)", re.DOTALL)
"""What is written to be read once."""


class WrittenFiles:
    """Paths from the top of the workspace, at most so many; who reads them looks what is there."""

    def __init__(self) -> None:
        self._paths: dict[str, None] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)

    def __contains__(self, path: object) -> bool:
        return path in self._paths

    def add(self, path: str) -> None:
        """A path below the workspace, absolute or seen from it; any other is left out."""
        full = posixpath.normpath(posixpath.join(WORKSPACE, path))
        if full.startswith(f"{WORKSPACE}/") and len(self._paths) < _MOST and "\0" not in full:
            self._paths[full.removeprefix(f"{WORKSPACE}/")] = None

    def add_call(self, arguments: Mapping[str, Any]) -> None:
        """What a call of the editor or of the shell, made before, may have written."""
        path, command = arguments.get("path"), arguments.get("command")
        if isinstance(path, str) and command in _EDITS:
            self.add(path)
        elif isinstance(command, str):
            self.add_of(command)

    def add_of(self, command: str) -> None:
        """Those that a shell command writes to by name, in whatever folder it may stand then."""
        shown = command[:_MOST_CHARS]
        folders = [".", *_words(_FOLDER, shown)][: _MOST_FOLDERS + 1]
        targets = dict.fromkeys((*_words(_TARGET, shown), *_copied(shown)))
        for target in islice(targets, _MOST):
            if not _LOG.fullmatch(target):
                for folder in folders:
                    self.add(posixpath.join(folder, target))


def _words(pattern: re.Pattern[str], command: str) -> Iterator[str]:
    for match in pattern.finditer(command):
        yield next(filter(None, match.groups()), "")


def _copied(command: str) -> Iterator[str]:
    """Where files are copied or moved to."""
    for part in _PARTS.split(command):
        words = part.split()
        if len(words) > 2 and words[0] in _COPIERS:
            yield words[-1].strip("'\"")
