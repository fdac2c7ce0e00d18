"""The programs of ours that every sandbox has: `uv`, which is a dependency and so always there."""

import os
import stat
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path

from graph.errors import SandboxUnavailable
from graph.files import write_whole


@cache
def provide_uv(state: Path) -> Path | None:
    """The file of `uv` that the sandbox's user can get to, or None off Linux. Blocks.

    Where that user cannot pass the folders above ours, it gets a copy in `state`. Raises
    SandboxUnavailable: it is not installed.
    """
    if sys.platform != "linux":
        return None  # the containers of a docker there are Linux, and need one of their own
    from uv import find_uv_bin

    try:
        program = Path(find_uv_bin()).resolve()
    except FileNotFoundError as error:
        raise SandboxUnavailable("uv is not installed", "pip install uv") from error
    return reachable(program, state / f"uv-{uv_version()}")


def reachable(program: Path, copy: Path) -> Path:
    """The program, or a copy of it where another user could not get to it. Blocks."""
    if os.geteuid() != 0 or _is_open(program):
        return program
    if not copy.exists():
        write_whole(copy, program.read_bytes())
        copy.chmod(0o755)
    return copy


def uv_version() -> str:
    """Of the `uv` that is installed beside us."""
    return version("uv")


def _is_open(program: Path) -> bool:
    """Whether everybody can pass its folders and run it."""
    folders = all(folder.stat().st_mode & stat.S_IXOTH for folder in program.parents)
    needed = stat.S_IXOTH | stat.S_IROTH
    return folders and program.stat().st_mode & needed == needed
