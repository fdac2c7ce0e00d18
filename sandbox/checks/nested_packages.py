"""Packages inside of others that the tests of these do not touch."""

import asyncio
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from graph import Check
from sandbox.changes.parse_diff import Diff
from sandbox.core.protocol import Sandbox
from sandbox.ecosystems.base import Ecosystem, any_of, nothing, paths_like
from sandbox.ecosystems.install_step import is_example
from sandbox.ecosystems.registry import ECOSYSTEMS
from sandbox.ecosystems.test_files import is_test, languages_of, test_folder
from sandbox.tree.environment import SYSTEM_FIRST

LANGUAGES: Final = [each for each in ECOSYSTEMS if each.sources]
MANIFESTS: Final = {each.name: paths_like([each.manifests]) for each in LANGUAGES}
_MOST_PACKAGES: Final = 20
_MOST_PATHS: Final = 50
_MANIFEST_BYTES: Final = 1 << 16
_NAMES_BYTES: Final = 4 << 20
_NONE_FOUND: Final = 1

Folders = Mapping[str, frozenset[str]]
"""Folders with a manifest, by the names of languages."""


def innermost(path: str, folders: Folders, names: Iterable[str]) -> str | None:
    """The innermost package, of these languages, that a path lies in; None where it is in none."""
    around = [folder for name in names for folder in folders[name] if holds(folder, path)]
    return max(around, key=len, default=None)


def holds(folder: str, path: str) -> bool:
    return not folder or path.startswith(f"{folder}/")


def is_around(check: Check, folder: str, languages: Sequence[Ecosystem]) -> bool:
    """Whether a check that was found runs the tests of what lies around a package."""
    calls = any_of(each.test_calls for each in languages)
    return (
        check.source == "repository"
        and check.folder != folder
        and holds(check.folder, folder)
        and calls.search(check.command) is not None
    )


async def unused_packages(
    sandbox: Sandbox, diff: Diff, folders: Folders, checks: Sequence[Check]
) -> frozenset[str]:
    """Folders of changed packages without a test, whose code no other file names.

    Tests around such a one cannot have touched it. Not asked of languages whose checks build all
    parts, nor of what shows, documents or tests another package. Before anything is run.
    """
    nested = await asyncio.to_thread(_nested, diff, folders, checks)
    used = [await _is_used(sandbox, folder, *told) for folder, told in nested.items()]
    return frozenset(folder for folder, each in zip(nested, used, strict=True) if not each)


def _nested(
    diff: Diff, folders: Folders, checks: Sequence[Check]
) -> dict[str, tuple[Ecosystem, list[str]]]:
    """Packages with changed code that a check around them is for, with the paths seen from them."""
    found: dict[str, tuple[Ecosystem, list[str]]] = {}
    for path in diff.code:
        for language in languages_of(path):
            folder = innermost(path, folders, [language.name])
            if not folder or not language.names_of or is_example(folder) or test_folder(path):
                continue
            if any(is_around(check, folder, [language]) for check in checks):
                _, paths = found.setdefault(folder, (language, []))
                paths.append(path.removeprefix(f"{folder}/"))
    return dict(list(found.items())[:_MOST_PACKAGES])


async def _is_used(
    sandbox: Sandbox, folder: str, language: Ecosystem, paths: Sequence[str]
) -> bool:
    """Whether a package holds a test, or a file outside names what these paths belong to.

    So it is, too, where that cannot be found out.
    """
    own = await _names(sandbox, f"git ls-files -z -co -- {shlex.quote(f':(literal){folder}')}")
    if own is None or any(map(is_test, own)):
        return True
    read = f"cat -- {shlex.quote(folder)}/package.json 2>/dev/null"
    manifest = (await sandbox.run(read, keep_bytes=_MANIFEST_BYTES)).text
    names_of = language.names_of or nothing
    names = (names_of(folder, path, manifest) for path in paths[:_MOST_PATHS])
    patterns = sorted({pattern for each in names for pattern in each})
    words = " ".join(f"-e {shlex.quote(pattern)}" for pattern in patterns)
    outside = shlex.quote(f":(exclude,literal){folder}")
    users = await _names(sandbox, f"git grep -I -z -l --untracked -E {words} -- {outside}")
    return users is None or any(language in languages_of(user) for user in users)


async def _names(sandbox: Sandbox, command: str) -> list[str] | None:
    """Paths that a command of git lists; None where it failed."""
    result = await sandbox.run(f"{SYSTEM_FIRST}{command}", keep_bytes=_NAMES_BYTES)
    if result.exit_code not in (0, _NONE_FOUND):
        return None
    return [name.decode(errors="replace") for name in result.output.split(b"\0") if name]
