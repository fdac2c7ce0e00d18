"""Tests and check configuration as the base has them, put back into a tree with the change.

What passes there, too, was not talked over: by a test that was bent, a script that was replaced, a
configuration that leaves tests out, or a module that comes before the runner's own.
"""

import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from graph import Base
from sandbox.checks.parse_diff import FileDiff
from sandbox.checks.tamper_patterns import is_test, shadows_library, steers_checks
from sandbox.core.protocol import Sandbox
from sandbox.tree.git_dir import make_git_dir

_TOLD = 1000
_NAMES_BYTES = 4 << 20
_SCRIPT: Final = re.compile(
    r"(?:cd \S+ && )?(?:\w+=\S* )*(?:(?:ba|da|z|k)?sh (?:-\w+ )*|\./|(?=[\w.-]+/))"
    r"(?P<path>[\w./-]+)"
)
_WITHIN: Final = re.compile(r"cd (?:\./)?(?P<path>[^\s;&|/][^\s;&|]*?)/? && ")
_NEW: Final = frozenset(("added", "renamed"))


@dataclass(frozen=True)
class _Commands:
    """What the checks' commands run and where they start: `scripts` they call, folders they import
    from."""

    scripts: frozenset[str]
    roots: frozenset[str]

    @classmethod
    def of(cls, commands: Sequence[str]) -> "_Commands":
        scripts = (_SCRIPT.match(command) for command in commands)
        places = {""} | {f"{found['path']}/" for found in map(_WITHIN.match, commands) if found}
        return cls(
            frozenset(match["path"] for match in scripts if match),
            frozenset(place + inner for place in places for inner in ("", "src/", "lib/")),
        )

    def steered_by(self, path: str) -> bool:
        return steers_checks(path) or any(
            path == script or path.endswith(f"/{script}") for script in self.scripts
        )

    def steered_by_new(self, path: str) -> bool:
        return self.steered_by(path) or shadows_library(path, self.roots)


class NotRestored(Exception):
    """Raised where a change leaves no way back to the base's tests; says why."""


def touches_base_tests(files: Sequence[FileDiff], commands: Sequence[str]) -> bool:
    """Whether a change alters or removes tests of the base, or anything that steers checks."""
    told = _Commands.of(commands)
    return touches_tests(files) or any(
        told.steered_by(file.old_path)
        or (told.steered_by_new(file.path) if file.status in _NEW else told.steered_by(file.path))
        for file in files
    )


def touches_tests(files: Sequence[FileDiff]) -> bool:
    """Whether it alters or removes a file of the base's tests."""
    return any(file.status != "added" and is_test(file.old_path) for file in files)


async def restore_base_tests(
    sandbox: Sandbox, base: Base, files: Sequence[FileDiff], commands: Sequence[str]
) -> None:
    """Put back what the base has of them, and take away what it has not. Raises NotRestored."""
    told = _Commands.of(commands)
    folder = f"/tmp/.base-{secrets.token_hex(8)}"  # noqa: S108 - the sandbox's own
    head = _head(folder, base)
    changed = await _run(sandbox, f"{head}git diff-files --name-only -z")
    paths = [path for path in changed.split(b"\0") if path]
    names = [(path, path.decode(errors="replace")) for path in paths]
    back = [path for path, name in names if is_test(name) or told.steered_by(name)]
    gone = [
        file.path.encode()
        for file in files
        if file.status in _NEW and (is_test(file.path) or told.steered_by_new(file.path))
    ]
    # First away, then back: a folder may be where the base has a file.
    await _run(sandbox, "xargs -0 -r rm -rf --", _lines(gone))
    await _run(sandbox, f"{head}git checkout-index -q -f -z --stdin", _lines(back))


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
    result = await sandbox.run(command, stdin=stdin, keep_bytes=_NAMES_BYTES)
    if result.exit_code != 0 or result.dropped:
        reason = f"the {result.limit} limit was reached" if result.limit else result.text[-_TOLD:]
        raise NotRestored(reason.strip())
    return result.output


def _lines(paths: Iterable[bytes]) -> bytes:
    return b"".join(path + b"\0" for path in paths)
