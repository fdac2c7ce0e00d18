"""Untrusted commands under bubblewrap, one for each command, by a line tried against attacks.

What holds it together:
- Started by root it would leave uid 0 in the kernel's eyes, and with it the host's `/proc/sys`:
  so `setpriv` drops to a uid of the run's own first, and `/proc/sys` is read-only.
- Nothing is mounted below a folder that commands can write, where a planted symlink would lead
  the mount elsewhere.
- The system call filter is no extra: sockets of the hypervisor are not in the network namespace.
- The end of a command is the end of its process namespace: nothing it started outlives it.
"""

import os
import platform
import re
import shutil
import stat
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Final

from graph.errors import SandboxUnavailable
from sandbox.backends.base.backend import BackendOptions, Tree
from sandbox.backends.base.local_backend import LocalBackend
from sandbox.backends.base.trial_result import TrialResult
from sandbox.backends.bubblewrap.argv import command_line
from sandbox.backends.bubblewrap.remedies import UPGRADE, bubblewrap_remedy
from sandbox.backends.bubblewrap.sandbox import BubblewrapSandbox
from sandbox.host import cgroup
from sandbox.host.orphans import end_orphans
from sandbox.host.own_tools import provide_uv
from sandbox.host.run_users import command_uid
from sandbox.host.seccomp_tables import compile_filter
from sandbox.tree.checkout import PARTS
from sandbox.tree.environment import SYSTEM_PATH

OLDEST: Final = (0, 8)
SAFEST: Final = (0, 12)
_OLDER: Final = (
    "older than 0.12: mount points could be led astray by links (CVE-2026-87766) unless the"
    " distribution fixed it; no mount point here lies where commands write"
)
_ANSWERS_WITHIN_S: Final = 10.0


class Bubblewrap(LocalBackend):
    """The backend. Raises SandboxUnavailable where what it needs is not there."""

    name = "bubblewrap"
    filters_calls = True

    def __init__(
        self,
        options: BackendOptions,
        *,
        cgroups: Path = cgroup.ROOT,
        programs: str = SYSTEM_PATH,
    ) -> None:
        """`programs` is the PATH on which bubblewrap and setpriv are looked for."""
        super().__init__(options)
        self.bwrap = _find("bwrap", "bubblewrap", programs)
        self.setpriv = _find("setpriv", "util-linux", programs) if os.geteuid() == 0 else None
        self.groups = cgroup.find(cgroups)

    @property
    def toolchain(self) -> str:
        return "\n".join([platform.machine(), _system_name(), *map(str, self.tool_paths)])

    def identity(self) -> list[object]:
        programs = (self.bwrap, self.setpriv, shutil.which("git"))
        return [
            sha256(compile_filter()).hexdigest(),
            self.groups is not None,
            *map(str, self.tool_paths),
            *(_identity(program) for program in programs if program),
        ]

    def describe(self) -> TrialResult:
        version = _version(self.bwrap)
        groups = "control groups" if self.groups else "a watcher: no control group can be made"
        detail = f"bubblewrap {'.'.join(map(str, version))}, memory and processes held by {groups}"
        if version < OLDEST:
            return TrialResult("backend", held=False, detail=detail, fix=UPGRADE)
        note = f" ({_OLDER})" if version < SAFEST else ""
        return TrialResult("backend", held=True, detail=detail + note)

    def remedy(self, said: str) -> str:
        return bubblewrap_remedy(said)

    def end_orphans(self) -> None:
        end_orphans()

    def attach(self, tree: Tree) -> BubblewrapSandbox:
        """Raises SandboxUnavailable where the tree's uid cannot get at a folder, too."""
        drop = self._drop(tree.uid)
        for path in (tree.folder / "workspace", tree.base_objects, *self.tool_paths):
            if path is not None and tree.uid is not None:
                _check_passable(path, tree.uid)
        line = command_line(
            [*drop, self.bwrap],
            tree.folder,
            tree.base_objects,
            self.limits,
            self.tool_paths,
            tree.outlet,
            provide_uv(self.state),
        )
        return BubblewrapSandbox(
            line,
            self.tree_size(tree),
            parts=[tree.folder / part for part in PARTS],
            limits=self.limits,
            uid=tree.uid,
            groups=self.groups,
            outlet=tree.outlet,
        )

    def _drop(self, tree_uid: int | None) -> list[str]:
        uid = command_uid(tree_uid)
        if self.setpriv is None:
            return []
        ids = [f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
        return [self.setpriv, *ids, "--inh-caps=-all", "--no-new-privs", "--"]


def _check_passable(path: Path, uid: int) -> None:
    """bubblewrap opens the folder as the dropped uid: every folder on the way must let it."""
    for folder in reversed(path.resolve().parents):
        info = folder.stat()
        if not info.st_mode & stat.S_IXOTH and info.st_uid != uid:
            raise SandboxUnavailable(
                f"{folder} does not let uid {uid}, which the sandbox runs as, pass to {path}",
                f"chmod o+x {folder}, or move what is in it, such as CODING_AGENT_DATA_DIR"
                " to a folder below /var/lib",
            )


def _find(program: str, package: str, path: str) -> str:
    found = shutil.which(program, path=path)
    if found is None:
        raise SandboxUnavailable(
            f"{program} is not installed", f"sudo apt-get install -y {package}"
        )
    return found


def _version(program: str) -> tuple[int, ...]:
    """Empty where it does not say."""
    try:
        done = subprocess.run(
            [program, "--version"],
            capture_output=True,
            text=True,
            check=False,
            env={},
            cwd="/",
            timeout=_ANSWERS_WITHIN_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(map(int, re.findall(r"\d+", done.stdout)[:3]))


def _system_name() -> str:
    """The distribution and its version: its Python and libraries are what set-up builds for."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return ""
    return f"{release.get('ID', '')} {release.get('VERSION_ID', '')}"


def _identity(program: str) -> list[object]:
    """A program's version, without running it."""
    path = Path(program).resolve()
    info = path.stat()
    return [str(path), info.st_ino, info.st_size, info.st_mtime_ns]
