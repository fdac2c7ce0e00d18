"""Folders of tools that the operator shows to the sandbox: read-only, and none with credentials."""

import os
import pwd
from collections.abc import Iterable
from pathlib import Path

from graph.errors import SandboxUnavailable
from sandbox.core.protocol import BASE_OBJECTS, WORKSPACE

CREDENTIALS = (
    ".ssh",
    ".aws",
    ".azure",
    ".config/gcloud",
    ".config/gh",
    ".config/git/credentials",
    ".docker/config.json",
    ".git-credentials",
    ".gnupg",
    ".kube",
    ".netrc",
    ".npmrc",
    ".pypirc",
)
SYSTEM = ("/boot", "/dev", "/etc", "/proc", "/run", "/sys", "/var/run")
TREE = (WORKSPACE, BASE_OBJECTS, "/home/agent", "/tmp")  # noqa: S108 - the sandbox's own
HINT = "Name the toolchain's own folder in CODING_AGENT_TOOL_PATHS, such as /opt/node-22."


def check_tool_paths(paths: Iterable[Path], state: Path) -> None:
    """Raises SandboxUnavailable for a folder that must not be shown."""
    homes = [home for account in pwd.getpwall() if (home := Path(account.pw_dir)).is_dir()]
    for path in paths:
        if not path.is_absolute() or ".." in path.parts or not path.is_dir():
            raise SandboxUnavailable(f"{path} is not the absolute path of a folder", HINT)
        for folder in {path, path.resolve()}:
            if reason := _reason(folder, homes, state.resolve()):
                raise SandboxUnavailable(f"{path} cannot be a tool path: {reason}", HINT)


def _reason(folder: Path, homes: Iterable[Path], state: Path) -> str | None:
    """Why it must not be shown."""
    if any(folder.is_relative_to(tree) or Path(tree).is_relative_to(folder) for tree in TREE):
        return "the sandbox has folders of its own there"
    if any(folder.is_relative_to(system) for system in SYSTEM):
        return "it belongs to the system"
    if state.is_relative_to(folder):
        return "it holds this service's own data"
    if any(home.is_relative_to(folder) for home in homes):
        return "it is, or holds, a home folder"
    found = [name for name in CREDENTIALS if os.path.lexists(folder / name)]
    return f"it holds credentials ({found[0]})" if found else None
