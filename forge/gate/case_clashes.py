"""Names that differ by case alone: on many machines only one of them can be checked out."""

import asyncio
from collections.abc import Iterator
from typing import Final

from forge.gate.path_rules import Entry
from forge.git.apply_patch import shown_path
from forge.git.command import Git
from forge.git.environment import run_objects
from graph import GateFinding, RunFolder

_LIST: Final = ("ls-tree", "-r", "-z", "--name-only", "--full-tree")
_NO_FILE: Final = "000000"
_MOST: Final = 10


async def case_clashes(
    git: Git, run: RunFolder, entries: list[Entry], tree: str
) -> tuple[GateFinding, ...]:
    """A warning for each added file that clashes with another of the tree. Raises GitFailed."""
    added = [entry.path for entry in entries if entry.old_mode == _NO_FILE != entry.mode]
    if not added:
        return ()
    listed = await git.output(
        *_LIST,
        tree,
        git_dir=str(run.base_git),
        environment=run_objects(str(run.objects)),
    )
    return await asyncio.to_thread(_clashes, added, listed.split(b"\0")[:-1])


def _clashes(added: list[bytes], paths: list[bytes]) -> tuple[GateFinding, ...]:
    """Files and folders alike: `Src/a` clashes with `src/b`."""
    wanted = {_folded(name) for path in added for name in _names(path)}
    spelled: dict[str, set[bytes]] = {}
    for path in paths:
        for name in _names(path):
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
