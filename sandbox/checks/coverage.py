"""Which code of a change no check can have touched that came to its end."""

import asyncio
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from posixpath import dirname
from typing import Final

from graph import Base, Check, ValidationFinding
from sandbox.changes.parse_diff import Diff
from sandbox.checks.judge import Outcome, deciding
from sandbox.checks.nested_packages import (
    LANGUAGES,
    MANIFESTS,
    Folders,
    holds,
    innermost,
    is_around,
    unused_packages,
)
from sandbox.core.protocol import Sandbox
from sandbox.ecosystems.test_files import languages_of, test_folder
from sandbox.tree.environment import SYSTEM_FIRST

_CALLS: Final = {
    each.name: re.compile(
        "|".join(f"(?:{calls})" for calls in (each.test_calls, each.lint_calls) if calls)
    )
    for each in LANGUAGES
}
_MOST_NAMES: Final = 5
_NAMES_BYTES: Final = 4 << 20
_DEEPEST: Final = 50
"""So deep a folder is looked for packages."""


@dataclass(frozen=True)
class Packages:
    """Folders with a manifest, by the names of languages.

    `unused`: those that no test of what lies around them can have touched.
    """

    folders: Folders
    unused: frozenset[str] = frozenset()


async def find_packages(
    sandbox: Sandbox, base: Base, diff: Diff, checks: Sequence[Check]
) -> Packages:
    """Those in the folders of the changed code and above; before anything is run."""
    folders = await asyncio.to_thread(_package_folders, await _list_manifests(sandbox, base, diff))
    return Packages(folders, await unused_packages(sandbox, diff, folders, checks))


def _package_folders(manifests: Collection[str]) -> Folders:
    return {
        name: frozenset(dirname(path) for path in manifests if like.fullmatch(path))
        for name, like in MANIFESTS.items()
    }


def _folders_around(diff: Diff) -> set[str]:
    return {folder for path in diff.code for folder in _parents(path)}


async def _list_manifests(sandbox: Sandbox, base: Base, diff: Diff) -> frozenset[str]:
    if not (folders := await asyncio.to_thread(_folders_around, diff)):
        return frozenset()
    words = "".join(f"{folder}/\0" if folder else ".\0" for folder in sorted(folders)).encode()
    listing = f"xargs -0 -r git --literal-pathspecs ls-tree -z --name-only {base.sha} --"
    result = await sandbox.run(f"{SYSTEM_FIRST}{listing}", stdin=words, keep_bytes=_NAMES_BYTES)
    return await asyncio.to_thread(_manifests_of, result.output, diff)


def _manifests_of(listed: bytes, diff: Diff) -> frozenset[str]:
    """Those that are listed, and those of the change."""
    names = [name.decode(errors="replace") for name in listed.split(b"\0")]
    names += [file.path for file in diff.files if file.status != "deleted"]
    return frozenset(
        name for name in names if any(like.fullmatch(name) for like in MANIFESTS.values())
    )


async def find_uncovered(
    diff: Diff, outcomes: Sequence[Outcome], packages: Packages
) -> tuple[ValidationFinding, ...]:
    """Says which code is not validated, off the event loop: there may be very many files."""
    return await asyncio.to_thread(_uncovered, diff, outcomes, packages)


def _uncovered(
    diff: Diff, outcomes: Sequence[Outcome], packages: Packages
) -> tuple[ValidationFinding, ...]:
    """Says which code is not validated, in one finding."""
    left = [path for path in diff.code if not _is_covered(path, outcomes, packages)]
    if not left and not any(_is_spoken_for(path, outcomes) for path in diff.code):
        left = diff.code
    if not left:
        return ()
    named = ", ".join(f"`{path}`" for path in left[:_MOST_NAMES])
    more = f" and {len(left) - _MOST_NAMES} more" if len(left) > _MOST_NAMES else ""
    text = f"no check that came to its end can have touched {named}{more}"
    return (ValidationFinding(rule="not_covered", severity="warning", path=left[0], message=text),)


def _is_spoken_for(path: str, outcomes: Sequence[Outcome]) -> bool:
    """Whether a check ended that may run its language, or the files that it serves.

    Scripts of other languages beside what a change is about need none of their own.
    """
    languages = languages_of(path)
    served = not languages or any(each.is_served for each in languages)
    names = {each.name for each in languages}
    return any(each.decides and (served or _speaks(each.check, names)) for each in outcomes)


def _is_covered(path: str, outcomes: Sequence[Outcome], packages: Packages) -> bool:
    """Whether a check ended that holds it: of its package, where that has one, else around it."""
    languages = languages_of(path)
    names = {each.name for each in languages}
    holding = [each for each in outcomes if holds(each.check.folder, path)]
    holding = holding or [each for each in outcomes if holds(_tested_by(each.check.folder), path)]
    package = innermost(path, packages.folders, names)
    if package is not None:  # else it is part of what holds it
        holding = [each for each in holding if _speaks(each.check, names)]
    if package and package in packages.unused:
        around = partial(is_around, folder=package, languages=languages)
        holding = [each for each in holding if not around(each.check)]
    holding = deciding(holding)
    own = [each.check.folder for each in holding if each.check.source == "repository"]
    nearest = max(own, key=len, default="")
    return any(
        each.decides
        and (each.check.source != "repository" or len(each.check.folder) >= len(nearest))
        for each in holding
    )


def _speaks(check: Check, languages: set[str]) -> bool:
    """Whether a command is for one of the languages, or for any, as far as can be told."""
    if check.source == "caller":  # who asks for it knows what it runs
        return True
    called = {name for name, calls in _CALLS.items() if calls.search(check.command)}
    return not called or bool(called & languages)


def _tested_by(folder: str) -> str:
    """What a project among tests is for: the folder around these; any other is for itself."""
    outermost = folder
    while inner := test_folder(f"{outermost}/"):
        outermost = dirname(inner.removesuffix("/"))
    return outermost


def _parents(path: str) -> Iterator[str]:
    """The folders that a path lies in from the top on; of a very deep one the first."""
    folder = ""
    for name in path.split("/")[:-1][:_DEEPEST]:
        yield folder
        folder = f"{folder}/{name}" if folder else name
    yield folder
