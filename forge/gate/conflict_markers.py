"""Markers of a merge that a role has left in files."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from forge.gate.path_rules import FILES, Entry
from forge.git.apply_patch import shown_path
from forge.git.blobs import Blobs
from graph import GateFinding

_MOST_BYTES: Final = 100 * 1024 * 1024
_MESSAGE: Final = "has markers of a conflict: both sides are to become one"


def find_conflict_markers(
    entries: Iterable[Entry], blobs: Blobs, sides: Sequence[str]
) -> Iterator[GateFinding]:
    """One finding a file; `sides` are the names that the run's own merge gave in its markers."""
    names = "|".join(map(re.escape, sides))
    marker = re.compile(rf"(?m)^(?:<{{7}}|>{{7}}) (?:{names})(?:[:\r]|$)".encode())
    for entry in entries:
        if entry.removed or entry.mode not in FILES or blobs.size(entry.sha) > _MOST_BYTES:
            continue
        content = blobs.read(entry.sha)
        if found := marker.search(content):
            yield GateFinding(
                rule="conflict",
                severity="error",
                path=shown_path(entry.path),
                line=content.count(b"\n", 0, found.start()) + 1,
                message=_MESSAGE,
            )
