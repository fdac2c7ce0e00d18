"""Removing folders that untrusted code wrote to."""

import asyncio
import os
import subprocess
from pathlib import Path

from graph.errors import SandboxError

_WITHIN_S = 1800
"""A tree has at most some 500,000 files; a slow disk removes a few hundred a second."""


async def remove_folder(folder: Path) -> None:
    """Remove a folder, or whatever is there: any depth, any modes, no link followed.

    Nothing may run in it any more. Raises SandboxError where something stays.
    """
    await asyncio.to_thread(remove_at_once, folder)


def remove_at_once(folder: Path) -> None:
    """The same for who may wait. Blocks. Raises SandboxError."""
    # rm and chmod walk by descriptors: no path is too long for them, and no link leads them astray.
    if not os.path.lexists(folder) or _succeeds("rm", "-rf", "--", folder):
        return
    if not folder.is_symlink():
        _succeeds("chmod", "-R", "u+rwX", "--", folder)
    if not _succeeds("rm", "-rf", "--", folder):
        raise SandboxError(f"A tree could not be removed: {folder.name}", "Remove it by hand.")


def _succeeds(*command: str | Path) -> bool:
    """Whether it does, in its time."""
    try:
        done = subprocess.run(
            command,
            check=False,
            env={"PATH": "/usr/bin:/bin"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_WITHIN_S,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0
