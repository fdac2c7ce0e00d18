"""Making a tree in a container that others run: the base is streamed in as it is kept."""

import asyncio
from dataclasses import replace
from pathlib import Path

from graph.errors import SandboxError
from sandbox.backends.container.sandbox import RemoteSandbox
from sandbox.backends.container.wire import exec_request
from sandbox.core.protocol import BASE_OBJECTS, MAX_QUOTED_CHARS, WORKSPACE, Limits
from sandbox.tree.checkout import base_objects
from sandbox.tree.environment import HOME
from sandbox.tree.object_stream import BaseObjects

_TIMEOUT_S = 600.0
_DISK_MB = 32 * 1024

# A folder of the container's root: commands can read it and not write to it.
_UNPACK = f"""\
set -e
mkdir -p {BASE_OBJECTS}
tar -C {BASE_OBJECTS} --no-same-owner -xf -
chmod -R u=rwX,go=rX {BASE_OBJECTS}
"""
_HOLDS = f'cd {BASE_OBJECTS} && while read -r name; do [ -e "$name" ] || exit 1; done'


async def ensure_base(sandbox: RemoteSandbox, git_dir: Path, limits: Limits) -> None:
    """Give a container that another run's base may be in all objects of this one."""
    base = await asyncio.to_thread(BaseObjects.of, base_objects(git_dir))
    names = "".join(f"{name}\n" for name, _, _ in base.files).encode()
    request = replace(
        exec_request(["/bin/sh", "-c", _HOLDS], limits),
        input_bytes=len(names),
        user=None,
        folder="/",
    )
    if (await sandbox.carry_out(request, (names,), 0)).exit_code != 0:
        await put_base(sandbox, git_dir, limits)


async def put_base(sandbox: RemoteSandbox, git_dir: Path, limits: Limits) -> None:
    """Give a new container the base's objects, and the folders of an empty tree."""
    base = await asyncio.to_thread(BaseObjects.of, base_objects(git_dir))
    request = replace(
        exec_request(["/bin/sh", "-c", _UNPACK], limits, keep_bytes=MAX_QUOTED_CHARS),
        timeout_s=_TIMEOUT_S,
        disk_mb=_DISK_MB,
        input_bytes=base.size,
        user=None,
        folder="/",
        chown_dirs=(WORKSPACE, HOME),
    )
    result = await sandbox.carry_out(request, base.pieces(), MAX_QUOTED_CHARS)
    if result.exit_code != 0:
        raise SandboxError(f"The base cannot be put into a sandbox: {result.reason}")


async def make_empty_tree(sandbox: RemoteSandbox, limits: Limits) -> None:
    """Give a new container the folders of a tree that has nothing in it."""
    make = exec_request(["/bin/mkdir", "-p", BASE_OBJECTS], limits)
    make = replace(make, user=None, folder="/", chown_dirs=(WORKSPACE, HOME))
    await sandbox.carry_out(make, (), 0)
