"""What a change puts, by symbolic links, at paths that act by themselves."""

from collections.abc import Iterator, Sequence
from typing import Final

from forge.gate.linked_paths import BeyondBounds, LinkedPaths, TooManyNames
from forge.gate.path_patterns import PATH_KINDS, PathKind
from forge.gate.path_rules import SYMLINK, Entry, Verdict, folded_path
from forge.gate.tree_listing import TreeFile
from forge.git.blobs import Blobs

MAX_TARGET: Final = 4096
_MANY_WAYS: Final = Verdict("symlink", "leads to files in more ways than can be looked at")
_MANY_NAMES: Final = Verdict(
    "symlink", "is in a tree whose links lead to more paths than can be looked at"
)


def judge_linked(
    entries: Sequence[Entry], files: Sequence[TreeFile], blobs: Blobs
) -> Iterator[tuple[Entry, Verdict]]:
    """Judge all paths that a checkout of the changed tree, `files`, has for what changed."""
    links: dict[str, list[str]] = {}
    for file in files:
        if file.mode == SYMLINK and blobs.size(file.sha) <= MAX_TARGET:
            target = blobs.read(file.sha).decode("utf-8", "surrogateescape")
            links.setdefault(folded_path(file.name), []).append(folded_path(target))
    if not links:
        return
    try:
        paths = LinkedPaths(links)
    except TooManyNames:
        yield from ((entry, _MANY_NAMES) for entry in entries[:1])
        return
    for entry in entries:
        yield from _judge_changed(entry, paths)
    new_links = {
        folded_path(entry.name): entry
        for entry in entries
        if entry.mode == SYMLINK and not entry.removed
    }
    if new_links:
        changed = {entry.path for entry in entries}
        for link, verdict in _judge_exposed(files, changed, new_links, paths):
            yield new_links[link], verdict


def _judge_changed(entry: Entry, paths: LinkedPaths) -> Iterator[tuple[Entry, Verdict]]:
    """A changed file, under its other paths."""
    told = {kind.rule for kind in _kinds_of(folded_path(entry.name))}
    try:
        for way in paths.others(folded_path(entry.name)):
            for kind in _kinds_of(way.path):
                if kind.rule not in told:
                    told.add(kind.rule)
                    yield entry, _verdict(kind, f"is {way.path} by a link")
    except BeyondBounds as error:
        yield entry, _unclear(error)


def _judge_exposed(
    files: Sequence[TreeFile],
    changed: set[bytes],
    new_links: dict[str, Entry],
    paths: LinkedPaths,
) -> Iterator[tuple[str, Verdict]]:
    """Unchanged files that a new link puts somewhere else; one finding a link and kind."""
    told = set[tuple[str, str]]()
    for file in files:
        if file.path in changed:
            continue
        try:
            for way in paths.others(folded_path(file.name)):
                new = next((link for link in way.links if link in new_links), "")
                for kind in _kinds_of(way.path) if new else ():
                    if (new, kind.rule) not in told:
                        told.add((new, kind.rule))
                        yield new, _verdict(kind, f"makes a file {way.path}")
        except BeyondBounds as error:
            yield next(iter(new_links)), _unclear(error)
            return


def _kinds_of(path: str) -> Iterator[PathKind]:
    return (kind for kind in PATH_KINDS if kind.pattern.fullmatch(path))


def _unclear(error: BeyondBounds) -> Verdict:
    return _MANY_NAMES if isinstance(error, TooManyNames) else _MANY_WAYS


def _verdict(kind: PathKind, how: str) -> Verdict:
    return Verdict(kind.rule, f"{how}, which {kind.message}", kind.severity)
