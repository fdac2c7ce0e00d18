"""The real client against the plane: in this process, and as the commands that operators give."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import modal

from tests.modal_plane.plane import Plane

COMMAND_SECONDS = 90


@asynccontextmanager
async def connected(plane: Plane) -> AsyncIterator[modal.Client]:
    """Let this process's own client speak to the plane.

    Call the client through `.aio` only: the plane runs in the caller's event loop.
    """
    before = {name: os.environ.get(name) for name in plane.env}
    os.environ.update(plane.env)
    try:
        client = await modal.Client.from_env.aio()
        try:
            yield client
        finally:
            await client.close.aio()
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


async def run(
    plane: Plane, *command: str, folder: Path, env: Mapping[str, str] | None = None
) -> str:
    """Run a command with the plane's address in its environment; all that it wrote."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={**os.environ, **plane.env, **(env or {})},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(COMMAND_SECONDS):
            written, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        raise
    text = written.decode(errors="replace")
    assert process.returncode == 0, f"{command} ended ({process.returncode}):\n{text}"
    return text


async def deploy(
    plane: Plane, *target: str, folder: Path, env: Mapping[str, str] | None = None
) -> str:
    """`modal deploy TARGET` in `folder`, as an operator gives it."""
    return await run(
        plane, sys.executable, "-m", "modal", "deploy", *target, folder=folder, env=env
    )
