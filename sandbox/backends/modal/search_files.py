"""Searching what set-up left in a Sandbox for its secrets, before its files are kept."""

import asyncio
import tempfile
from pathlib import Path
from typing import Final

from graph.errors import SandboxError, SetupFailed
from sandbox.backends.container.container import Process
from sandbox.backends.modal.sandbox import ModalSandbox
from sandbox.core.protocol import MAX_QUOTED_CHARS
from sandbox.setup.secrets import SetupSecrets

_WITHIN_S: Final = 600
# As the container's root, whose rights no command has, and by the time of the last change, which
# only the kernel sets. What root cannot enter and nothing was changed in is not ours.
_LIST: Final = """\
set -e -o pipefail
export LC_ALL=C
cd /
find . -mindepth 1 \\( -path ./proc -o -path ./sys -o -path ./dev -o -path ./base.git \\) -prune \
  -o -type d ! -readable ! -newerct "@$1" -prune \
  -o -newerct "@$1" \\( -type f -o -type l -o -type d \\) -printf '%P\\0' |
  tar --no-recursion --null --verbatim-files-from --files-from=- -cf -
"""


async def container_time(container: ModalSandbox) -> int:
    """Its clock, in whole seconds."""
    process = await container.start(["date", "+%s"], timeout_s=_WITHIN_S)
    said = b"".join([piece async for piece in process.stdout()])
    if await process.wait() != 0 or not said.strip().isdigit():
        raise SandboxError("The sandbox does not tell its time.")
    return int(said)


async def search_files(
    container: ModalSandbox, begun: int, secrets: SetupSecrets, *, most_bytes: int
) -> None:
    """Raise SetupFailed where a file, link or folder that is newer than `begun` holds one."""
    command = ["/bin/bash", "-c", _LIST, "bash", str(begun - 1)]
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "left.tar"
        process = await container.start(command, timeout_s=_WITHIN_S)
        await _write(process, archive, most_bytes)
        said = b"".join([piece async for piece in process.stderr()])[-MAX_QUOTED_CHARS:]
        if await process.wait() != 0:
            why = secrets.hide(said.decode(errors="replace").strip())
            raise SandboxError(f"What set-up left cannot be searched for its secrets: {why}")
        await asyncio.to_thread(secrets.check_archive, archive)


async def _write(process: Process, archive: Path, most_bytes: int) -> None:
    left = most_bytes
    with archive.open("wb") as file:
        async for piece in process.stdout():
            left -= len(piece)
            if left < 0:
                raise SetupFailed(
                    "What set-up left is too large to be searched for its secrets.",
                    "Let set-up leave less, or raise CODING_AGENT_COMMAND_DISK_MB.",
                )
            await asyncio.to_thread(file.write, piece)
