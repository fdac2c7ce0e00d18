"""The first process of a container, which keeps the container's own spaces open."""

import asyncio
import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from tests.modal_plane.containers.rootfs import RootFs, first_process

HOLD = ["sh", "-c", "echo; exec sleep 2147483647"]


@dataclass
class Holder:
    """`inner` is the process as the machine knows it; with it every other one inside ends."""

    process: asyncio.subprocess.Process
    inner: int

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()

    async def end(self) -> None:
        """End every process inside."""
        self.kill()
        await self.process.communicate()


async def hold(files: RootFs) -> Holder:
    """Make a container that does nothing yet."""
    told, tell = os.pipe()
    process = await asyncio.create_subprocess_exec(
        *files.command(HOLD, working_dir="/", info=tell),
        env={"PATH": "/usr/bin:/bin"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        pass_fds=[tell],
    )
    os.close(tell)
    inner = await asyncio.to_thread(first_process, told)
    assert process.stdout is not None
    assert process.stderr is not None
    if not await process.stdout.readline():
        raise RuntimeError(f"no container: {(await process.stderr.read()).decode()}")
    return Holder(process, inner)


def members(inner: int) -> list[int]:
    """Every process in the same process space as `inner`."""
    space = _space(inner)
    processes = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [process for process in processes if space and _space(process) == space]


def _space(process: int) -> str:
    try:
        return str(Path(f"/proc/{process}/ns/pid").readlink())
    except OSError:  # it ended in this moment, or is another user's
        return ""
