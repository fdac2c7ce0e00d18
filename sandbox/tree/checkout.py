"""A new tree: its folders, the checkout of the base, and the change on it."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from graph import RunFolder
from graph.calls import acquire, to_the_end
from graph.errors import PatchUnusable, SandboxError
from sandbox.core.protocol import Sandbox, TreeSpec
from sandbox.tree.delete_tree import remove_folder
from sandbox.tree.git_dir import make_git_dir

PARTS = ("workspace", "home", "tmp")
_CHECKOUT = "git -c checkout.workers=4 -c checkout.thresholdForParallelism=500 reset -q --hard"
_APPLY_FAILED = 92
_LEARN = "git update-index -q --refresh || true"
_APPLY = f"git apply --index --whitespace=nowarn - || exit {_APPLY_FAILED}"


@asynccontextmanager
async def new_folders(folder: Path, uid: int | None) -> AsyncIterator[Path]:
    """A tree's empty folders under a temporary name beside `folder`; what has it still goes."""
    new = await acquire(asyncio.to_thread(_make_folders, folder, uid), remove_folder)
    try:
        yield new
    finally:
        await to_the_end(remove_folder(new))


def _make_folders(folder: Path, uid: int | None) -> Path:
    folder.parent.mkdir(mode=0o711, exist_ok=True)
    folder.parent.chmod(0o711)
    new = folder.with_name(f".new-{secrets.token_hex(8)}")
    new.mkdir(mode=0o711)
    new.chmod(0o711)
    make_parts(new, uid)
    return new


def make_parts(folder: Path, uid: int | None) -> None:
    """The empty parts of a tree, which belong to `uid`."""
    for part in PARTS:
        (folder / part).mkdir(mode=0o700)
        if uid is not None:
            os.chown(folder / part, uid, uid)


async def fill(sandbox: Sandbox, run: RunFolder, spec: TreeSpec, patch: bytes) -> None:
    """Check the base out, or only make its index, and apply the change, inside."""
    shallow = await asyncio.to_thread(_shallow, run.git_of(spec.base))
    script = ["set -e", make_git_dir(".git", spec.base)]
    if shallow:
        script.append(f"head -c {len(shallow)} > .git/shallow")
    script.append(_CHECKOUT if spec.checkout else "git read-tree HEAD")
    if patch:
        script.append(_APPLY)
    await _make(sandbox, "\n".join(script), shallow + patch)


async def apply_change(sandbox: Sandbox, patch: bytes, *, copied: bool = False) -> None:
    """Apply a change, where there is one, to a base that is checked out.

    The index knows files by what their disk says of them: of a tree that was `copied` to another
    disk it learns that anew, else commands would take each file for a changed one.
    """
    script = [_LEARN] if copied else []
    if patch:
        script.append(_APPLY)
    if script:
        await _make(sandbox, "\n".join(script), patch)


async def _make(sandbox: Sandbox, script: str, stdin: bytes) -> None:
    result = await sandbox.run(script, stdin=stdin)
    if result.exit_code == _APPLY_FAILED:
        raise PatchUnusable(f"The change does not apply to the base: {result.reason}")
    if result.exit_code != 0:
        raise SandboxError(f"The tree could not be made: {result.reason}")


async def check_out(sandbox: Sandbox) -> None:
    """Bring the files into a tree that was made without; cut short, it is done again."""
    result = await sandbox.run(_CHECKOUT)
    if result.exit_code != 0:
        raise SandboxError(f"The tree could not be filled: {result.reason}")


def base_objects(git_dir: Path) -> Path:
    """Where the objects of a base lie: a base has all of its own, or borrows all from one place."""
    objects = git_dir / "objects"
    try:
        return (objects / (objects / "info" / "alternates").read_text().strip()).resolve()
    except (FileNotFoundError, NotADirectoryError):
        return objects


def _shallow(git_dir: Path) -> bytes:
    """Where the base's history was cut, as git keeps it."""
    try:
        return (git_dir / "shallow").read_bytes()
    except FileNotFoundError:
        return b""
