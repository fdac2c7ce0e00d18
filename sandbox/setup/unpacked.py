"""A kept set-up put into a tree: unpacked there, or as root linked from one copy of its files.

The archive decides. The copy lies beside it, was unpacked by a user that no run has, and serves for
one boot of the machine: it is not written to the disk before it is used.
"""

import asyncio
import contextlib
import os
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

from graph.calls import settle
from graph.errors import SandboxError
from graph.files import locked
from sandbox.backends.base.backend import Tree
from sandbox.backends.base.local_backend import LocalBackend
from sandbox.backends.base.local_sandbox import LocalSandbox
from sandbox.host.resource_usage import can_become
from sandbox.host.run_users import KEEPER_UID
from sandbox.setup.archive_cache import copy_beside
from sandbox.setup.link_files import link_files
from sandbox.tree.checkout import PARTS, new_folders

_UNPACK: Final = "LC_ALL=C tar -C / --skip-old-files -xpf -"
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")


async def unpack(sandbox: LocalSandbox, archive: Path) -> None:
    """Put the archive into the sandbox's tree; what is there already stays."""
    result = await sandbox.transfer(_UNPACK, source=archive)
    if result.exit_code != 0:
        raise SandboxError(f"What set-up made cannot be put into a tree: {result.reason}")


async def put_into(backend: LocalBackend, tree: Tree, sandbox: LocalSandbox, archive: Path) -> None:
    """Put the archive into a filled tree in which nothing runs."""
    if tree.uid is None or not can_become(KEEPER_UID):
        await unpack(sandbox, archive)
        return
    copy = await _copy_of(backend, tree, archive)
    linking = asyncio.ensure_future(asyncio.to_thread(_link, copy, tree.folder, tree.uid))
    if await settle(linking):
        raise asyncio.CancelledError
    try:
        linking.result()
    except OSError as error:
        raise SandboxError(f"What set-up made cannot be put into a tree: {error}") from error


async def _copy_of(backend: LocalBackend, beside: Tree, archive: Path) -> Path:
    """The unpacked archive, made once: who asks meanwhile waits for the same one."""
    async with locked(archive.with_suffix(".lock")):
        copy = await asyncio.to_thread(copy_beside, archive, _boot())
        if await asyncio.to_thread(_is_there, copy):
            return copy
        async with new_folders(beside.folder, KEEPER_UID) as folder:
            sandbox = await backend.open(
                replace(beside, folder=folder, uid=KEEPER_UID, base_objects=None)
            )
            try:
                await unpack(sandbox, archive)
            finally:
                await sandbox.close()
            await asyncio.to_thread(folder.rename, copy)
    return copy


def _is_there(copy: Path) -> bool:
    """Whether it is; it is then marked as used."""
    try:
        os.utime(copy)
    except FileNotFoundError:
        return False
    return True


def _link(copy: Path, folder: Path, uid: int) -> None:
    for part in PARTS:
        link_files(copy / part, folder / part, uid)


@cache
def _boot() -> str:
    """What differs from boot to boot."""
    with contextlib.suppress(OSError):
        return _BOOT.read_text().split("-")[0].strip()
    return f"process-{os.getpid()}"
