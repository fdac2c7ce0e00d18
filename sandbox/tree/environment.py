"""What every command finds in its environment, whichever backend runs it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

HOME: Final = "/home/agent"
SYSTEM_PATH: Final = "/usr/local/bin:/usr/bin:/bin"
OWN_PROGRAMS: Final = f"{HOME}/.local/bin"
"""Last on the `PATH`: where set-up installs programs."""

SYSTEM_FIRST: Final = f"PATH={SYSTEM_PATH}:$PATH\n"
"""A script of ours begins with it: what set-up installed may be called as programs of the system.
"""

OWN_TOOLS: Final = "/own-tools"
"""Where the programs are that every sandbox has of us."""

VARIABLES: Final[Mapping[str, str]] = {
    "HOME": HOME,
    "USER": "agent",
    "LANG": "C.UTF-8",
    "TMPDIR": "/tmp",  # noqa: S108 - the sandbox's own
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
}


def with_tools(path: str, tool_paths: Sequence[Path]) -> dict[str, str]:
    """The variables on this machine; `path` is what the system's own programs are found on."""
    return {**VARIABLES, "PATH": f"{read_only_path(path, tool_paths)}:{OWN_PROGRAMS}"}


def read_only_path(path: str, tool_paths: Sequence[Path]) -> str:
    """The part of PATH that commands cannot write to."""
    tools = [folder for tools in tool_paths for folder in (tools / "bin", tools) if folder.is_dir()]
    return ":".join([*map(str, tools), OWN_TOOLS, path])
