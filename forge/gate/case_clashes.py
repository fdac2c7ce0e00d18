"""Names that differ by case alone: on many machines only one of them can be checked out."""

from collections.abc import Sequence
from itertools import islice
from typing import Final

from forge.gate.path_rules import Entry
from forge.gate.tree_listing import TreeFile
from forge.git.apply_patch import shown_path
from graph import GateFinding

_NO_FILE: Final = "000000"
_MOST: Final = 10
_TOP: Final = -1


def case_clashes(entries: list[Entry], files: Sequence[TreeFile]) -> tuple[GateFinding, ...]:
    """A warning for each added file that clashes with another of the tree's `files`.

    Files and folders alike: `Src/a` clashes with `src/b`.
    """
    added = [entry.path for entry in entries if entry.old_mode == _NO_FILE != entry.mode]
    if not added:
        return ()
    names = _Names()
    for path in added:
        names.add(path)
    for file in files:
        names.compare(file.path)
    clashes = ((path, names.other(path)) for path in added)
    found = (_finding(path, other) for path, other in clashes if other is not None)
    return tuple(islice(found, _MOST))


class _Names:
    """Names of paths by where they lie, as file systems have them that ignore case.

    Each is kept once, however deep its folder: whole paths would be as much as all of them squared.
    """

    def __init__(self) -> None:
        self._places: dict[tuple[int, str], int] = {}
        """The number of each place, by that of its folder and its folded name."""
        self._spelled: list[set[bytes]] = []
        """How each place is spelled, by its number."""

    def add(self, path: bytes) -> None:
        folder = _TOP
        for name in path.split(b"/"):
            place = self._places.setdefault((folder, _folded(name)), len(self._spelled))
            if place == len(self._spelled):
                self._spelled.append({name})
            folder = place

    def compare(self, path: bytes) -> None:
        """Note how another path spells its names, as far as it lies where these do."""
        folder = _TOP
        for name in path.split(b"/"):
            if (place := self._places.get((folder, _folded(name)))) is None:
                return
            self._spelled[place].add(name)
            folder = place

    def other(self, path: bytes) -> bytes | None:
        """The outermost other spelling of a path or of a folder that it lies in."""
        folder, names = _TOP, path.split(b"/")
        for depth, name in enumerate(names):
            folder = self._places[folder, _folded(name)]
            if others := self._spelled[folder] - {name}:
                return b"/".join([*names[:depth], min(others)])
        return None


def _folded(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape").casefold()


def _finding(path: bytes, other: bytes) -> GateFinding:
    message = f"Differs from {shown_path(other)} by case alone: not every machine can hold both."
    return GateFinding(
        rule="case_clash", severity="warning", path=shown_path(path), message=message
    )
