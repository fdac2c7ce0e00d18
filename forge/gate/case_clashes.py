"""Names that differ by case alone: on many machines only one of them can be checked out."""

from collections.abc import Iterator, Sequence
from typing import Final

from forge.gate.path_rules import Entry
from forge.gate.tree_listing import TreeFile
from forge.git.apply_patch import shown_path
from graph import GateFinding

_NO_FILE: Final = "000000"
_MOST: Final = 10


def case_clashes(entries: list[Entry], files: Sequence[TreeFile]) -> tuple[GateFinding, ...]:
    """A warning for each added file that clashes with another of the tree's `files`.

    Files and folders alike: `Src/a` clashes with `src/b`.
    """
    added = [entry.path for entry in entries if entry.old_mode == _NO_FILE != entry.mode]
    if not added:
        return ()
    wanted = {_folded(name) for path in added for name in _names(path)}
    spelled: dict[str, set[bytes]] = {}
    for file in files:
        for name in _names(file.path):
            if (folded := _folded(name)) in wanted:
                spelled.setdefault(folded, set()).add(name)
    findings = []
    for path in added:
        others = {other for name in _names(path) for other in spelled[_folded(name)] - {name}}
        if others:
            findings.append(_finding(path, min(others)))
    return tuple(findings[:_MOST])


def _names(path: bytes) -> Iterator[bytes]:
    """A path and the folders that it lies in."""
    while path:
        yield path
        path = path.rpartition(b"/")[0]


def _folded(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape").casefold()


def _finding(path: bytes, other: bytes) -> GateFinding:
    message = f"Differs from {shown_path(other)} by case alone: not every machine can hold both."
    return GateFinding(
        rule="case_clash", severity="warning", path=shown_path(path), message=message
    )
