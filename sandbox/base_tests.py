"""Tests and check configuration as the base has them, put back into a tree with the change.

What passes there, too, was not talked over: by a test that was bent, a script that was replaced, a
configuration that leaves tests out, or a module that comes before the runner's own.
"""

import re
import secrets
from collections.abc import Iterable, Sequence
from typing import Final

from graph.values import Base
from sandbox.file_diff import FileDiff
from sandbox.inner_git import make_git_dir
from sandbox.sandbox import Sandbox
from sandbox.weakening import is_test, steers_checks

_TOLD = 1000
_NAMES_BYTES = 4 << 20
_SCRIPT: Final = re.compile(
    r"(?:cd \S+ && )?(?:\w+=\S* )*(?:(?:ba|da|z|k)?sh (?:-\w+ )*|\./|(?=[\w.-]+/))"
    r"(?P<path>[\w./-]+)"
)


class NotRestored(Exception):
    """Raised where a change leaves no way back to the base's tests; says why."""


def touches_base_tests(files: Sequence[FileDiff], commands: Iterable[str]) -> bool:
    """Whether a change alters or removes tests of the base, or anything that steers checks."""
    scripts = _scripts(commands)
    return touches_tests(files) or any(
        _steers(path, scripts) for file in files for path in (file.path, file.old_path)
    )


def touches_tests(files: Sequence[FileDiff]) -> bool:
    """Whether it alters or removes a file of the base's tests."""
    return any(file.status != "added" and is_test(file.old_path) for file in files)


async def restore_base_tests(
    sandbox: Sandbox, base: Base, files: Sequence[FileDiff], commands: Iterable[str]
) -> None:
    """Put back what the base has of them, and take away what it has not. Raises NotRestored."""
    scripts = _scripts(commands)
    folder = f"/tmp/.base-{secrets.token_hex(8)}"  # noqa: S108 - the sandbox's own
    head = _head(folder, base)
    changed = await _run(sandbox, f"{head}git diff-files --name-only -z")
    paths = [path for path in changed.split(b"\0") if path]
    back = [path for path in paths if _is_concerned(_text(path), scripts)]
    gone = [
        file.path.encode()
        for file in files
        if file.status in {"added", "renamed"} and _is_concerned(file.path, scripts)
    ]
    # First away, then back: a folder may be where the base has a file.
    await _run(sandbox, "xargs -0 -r rm -rf --", _lines(gone))
    await _run(sandbox, f"{head}git checkout-index -q -f -z --stdin", _lines(back))


def _is_concerned(path: str, scripts: frozenset[str]) -> bool:
    return is_test(path) or _steers(path, scripts)


def _steers(path: str, scripts: frozenset[str]) -> bool:
    return steers_checks(path) or any(
        path == script or path.endswith(f"/{script}") for script in scripts
    )


def _scripts(commands: Iterable[str]) -> frozenset[str]:
    """Files that the commands themselves run."""
    found = (_SCRIPT.match(command) for command in commands)
    return frozenset(match["path"] for match in found if match)


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


def _text(path: bytes) -> str:
    return path.decode(errors="replace")
