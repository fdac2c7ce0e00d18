"""Folders that git takes for a repository: whoever enters one runs what its configuration says."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final

from forge.gate.path_rules import Entry, Verdict, folded_path
from forge.gate.tree_listing import TreeFile

_VERDICT: Final = Verdict(
    "agent_config", "lies in a folder that git takes for a repository, with configuration and hooks"
)


def judge_bare(
    entries: Sequence[Entry], files: Sequence[TreeFile]
) -> Iterator[tuple[Entry, Verdict]]:
    """The first change in each such folder of the changed tree, `files`."""
    changed = {folded_path(entry.name): entry for entry in entries if not entry.removed}
    paths, changed_paths = sorted({folded_path(file.name) for file in files}), sorted(changed)
    for folder in _bare_folders(paths):
        place = bisect_left(changed_paths, folder)
        if place < len(changed_paths) and changed_paths[place].startswith(folder):
            yield changed[changed_paths[place]], _VERDICT


def _bare_folders(paths: Sequence[str]) -> Iterator[str]:
    """Those that have what git looks for; each with the `/` at its end, the root empty."""
    known = frozenset(paths)
    for path in paths:
        folder, _, name = path.rpartition("/")
        begin = f"{folder}/" if folder else ""
        if name == "head" and _is_bare(begin, paths, known):
            yield begin


def _is_bare(begin: str, paths: Sequence[str], known: frozenset[str]) -> bool:
    if f"{begin}commondir" in known:
        return True
    return all(_holds(f"{begin}{name}", paths, known) for name in ("objects", "refs"))


def _holds(path: str, paths: Sequence[str], known: frozenset[str]) -> bool:
    """Whether something is at a path, which may be a link, or below it."""
    below = f"{path}/"
    place = bisect_left(paths, below)
    return path in known or (place < len(paths) and paths[place].startswith(below))
