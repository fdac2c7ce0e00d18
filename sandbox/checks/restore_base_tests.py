"""Tests and check configuration as the base has them, put back into a tree with the change.

What passes there, too, does not pass by a weakened test, a replaced script, a configuration that
leaves tests out, or a module that is loaded in place of the runner's own.
"""

import asyncio
import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from posixpath import join, normpath
from typing import Final

from graph import Base, FolderCommand
from sandbox.changes.parse_diff import FileDiff
from sandbox.changes.tamper_patterns import shadows_library, steers_checks
from sandbox.checks.could_start import words_of
from sandbox.core.protocol import Sandbox
from sandbox.ecosystems.test_files import is_test
from sandbox.tree.environment import SYSTEM_FIRST
from sandbox.tree.git_dir import make_git_dir

_NAMES_BYTES = 4 << 20
_INTERPRETER: Final = re.compile(r"(?:.*/)?(?:(?:ba|da|z|k)?sh|python[\d.]*|node|perl|ruby)")
_NEW: Final = frozenset(("added", "renamed"))
_NOT_UTF8: Final = "\ufffd"
"""Stands in a diff that was read for bytes of a name that are no UTF-8."""
_LIST_ODD: Final = "git ls-files -z --others | { grep -za \"$(printf '[\\200-\\377]')\" || true; }"


@dataclass(frozen=True)
class _Steering:
    """What steers the checks: `scripts` that they call, folders in which they start."""

    scripts: frozenset[str]
    starts: frozenset[str]

    @classmethod
    def of(cls, checks: Sequence[FolderCommand]) -> "_Steering":
        return cls(
            frozenset(script for check in checks if (script := _script(check))),
            frozenset({"", *(f"{check.folder}/" for check in checks if check.folder)}),
        )

    def includes(self, path: str, *, new: bool = False) -> bool:
        return (
            steers_checks(path)
            or path in self.scripts
            or (new and shadows_library(path, self.starts))
        )


def _script(check: FolderCommand) -> str:
    """The path of the file of the repository that a command runs, or nothing."""
    program, *words = words_of(check.command) or [""]
    if _INTERPRETER.fullmatch(program):
        program = next((word for word in words if not word.startswith("-")), "")
    elif "/" not in program:
        return ""
    return normpath(join(check.folder, program)) if program else ""


class NotRestored(Exception):
    """Raised where a change leaves no way back to the base's tests; says why."""


def touches_base_tests(files: Sequence[FileDiff], checks: Sequence[FolderCommand]) -> bool:
    """Whether a change alters or removes tests of the base, or anything that steers checks."""
    steering = _Steering.of(checks)
    return touches_tests(files) or any(
        steering.includes(file.old_path) or steering.includes(file.path, new=file.status in _NEW)
        for file in files
    )


def touches_tests(files: Sequence[FileDiff]) -> bool:
    """Whether it alters or removes a file of the base's tests."""
    return any(file.status != "added" and file.old_path in file.tests for file in files)


async def restore_base_tests(
    sandbox: Sandbox, base: Base, files: Sequence[FileDiff], checks: Sequence[FolderCommand]
) -> None:
    """Put back what the base has of them, and take away what it has not. Raises NotRestored."""
    steering, is_of_tests = _Steering.of(checks), await asyncio.to_thread(_tests_of, files)
    await _restore(
        *(sandbox, base, files),
        old=lambda path: is_of_tests(path) or steering.includes(path),
        new=lambda path: is_of_tests(path) or steering.includes(path, new=True),
    )


async def restore_base_sources(sandbox: Sandbox, base: Base, files: Sequence[FileDiff]) -> None:
    """Put back all but tests, and take away what the base has not of it. Raises NotRestored."""
    is_of_tests = await asyncio.to_thread(_tests_of, files)

    def is_source(path: str) -> bool:
        return not is_of_tests(path)

    await _restore(sandbox, base, files, old=is_source, new=is_source)


def _tests_of(files: Sequence[FileDiff]) -> Callable[[str], bool]:
    """Whether a path is of tests: as is known of the change's, else by what it is called."""
    known = {path: path in file.tests for file in files for path in file.paths}
    return lambda path: known[path] if path in known else is_test(path)


async def _restore(
    sandbox: Sandbox,
    base: Base,
    files: Sequence[FileDiff],
    *,
    old: Callable[[str], bool],
    new: Callable[[str], bool],
) -> None:
    """Put back the `old` paths, and take away the `new` ones that the change made."""
    folder = f"/tmp/.base-{secrets.token_hex(8)}"  # noqa: S108 - the sandbox's own
    head = _head(folder, base)
    changed = await _run(sandbox, f"{head}git diff-files --name-only -z")
    back = await asyncio.to_thread(_those_of, changed, old)
    added = (file.path for file in files if file.status in _NEW)
    taken = await asyncio.to_thread(lambda: frozenset(filter(new, added)))
    gone = [path.encode() for path in taken]
    if any(_NOT_UTF8 in path for path in taken):
        odd = await _run(sandbox, f"{head}{_LIST_ODD}")
        gone += await asyncio.to_thread(_those_of, odd, taken.__contains__)
    # First away, then back: a folder may be where the base has a file.
    await _run(sandbox, "xargs -0 -r rm -rf --", _lines(gone))
    await _run(sandbox, f"{head}git checkout-index -q -f -z --stdin", _lines(back))


def _those_of(listed: bytes, wanted: Callable[[str], bool]) -> list[bytes]:
    """The paths of a list that are wanted."""
    paths = filter(None, listed.split(b"\0"))
    return [path for path in paths if wanted(path.decode(errors="replace"))]


def _head(folder: str, base: Base) -> str:
    """A git directory that nothing in the tree has a say in, its index at the base."""
    return f"""\
set -e
export LC_ALL=C HOME=/nonexistent XDG_CONFIG_HOME=/nonexistent GIT_CONFIG_NOSYSTEM=1
export GIT_ATTR_NOSYSTEM=1 GIT_DIR={folder} GIT_WORK_TREE=/workspace
if [ ! -d {folder} ]; then
{make_git_dir(folder, base)}
  git read-tree {base.sha}
  git update-index -q --refresh > /dev/null || true
fi
"""


async def _run(sandbox: Sandbox, command: str, stdin: bytes = b"") -> bytes:
    result = await sandbox.run(f"{SYSTEM_FIRST}{command}", stdin=stdin, keep_bytes=_NAMES_BYTES)
    if result.exit_code != 0 or result.dropped:
        raise NotRestored(result.reason)
    return result.output


def _lines(paths: Iterable[bytes]) -> bytes:
    return b"".join(path + b"\0" for path in paths)
