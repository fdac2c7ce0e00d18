"""The files of a repository as far as they are listed and read."""

from collections.abc import Mapping, Sequence

from sandbox.discovery.read_repository import LAYOUT, READ, SEEN
from sandbox.ecosystems.base import paths_like
from sandbox.ecosystems.project import RepositoryFiles

_NO_MARKS: Mapping[str, Sequence[str]] = {}


def listed(
    files: Mapping[str, str], marked: Mapping[str, Sequence[str]] = _NO_MARKS
) -> RepositoryFiles:
    """What reading a repository with these files comes to."""
    read, seen = paths_like(READ), paths_like([*READ, *SEEN, *LAYOUT])
    known = {
        path: text if read.fullmatch(path) else ""
        for path, text in files.items()
        if seen.fullmatch(path)
    }
    return RepositoryFiles(known, marked)
