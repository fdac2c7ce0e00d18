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
import shutil
import stat
from pathlib import Path

from graph.errors import SandboxUnavailable
from sandbox.backends.base.tree_disk import Disks, NoDisks
from sandbox.backends.bubblewrap.argv import command_line
from sandbox.backends.bubblewrap.sandbox import BubblewrapSandbox
from sandbox.core.protocol import Limits
from sandbox.egress.forwarder import Outlet
from sandbox.host import cgroup
from sandbox.host import seccomp_tables as seccomp
from sandbox.host.orphans import end_orphans
from sandbox.host.remedies import bubblewrap_remedy
from sandbox.host.resource_watch import TreeSize
from sandbox.host.run_users import command_uid, uid_for_run
from sandbox.host.tool_paths import check_tool_paths
from sandbox.tree.environment import SYSTEM_PATH


class Bubblewrap:
    """The backend. Raises SandboxUnavailable where what it needs is not there."""

    name = "bubblewrap"
    filters_calls = True

    def __init__(
        self,
        *,
        limits: Limits,
        tool_paths: tuple[Path, ...] = (),
        state: Path,
        cgroups: Path = cgroup.ROOT,
        programs: str = SYSTEM_PATH,
        disks: Disks | NoDisks | None = None,
    ) -> None:
        """`programs` is the PATH on which bubblewrap and setpriv are looked for."""
        self.limits = limits
        self.tool_paths = tool_paths
        self.state = state
        self.disks = disks or NoDisks("not asked for")
        self.bwrap = _find("bwrap", "bubblewrap", programs)
        self.setpriv = _find("setpriv", "util-linux", programs) if os.geteuid() == 0 else None
        self.state.mkdir(parents=True, exist_ok=True)
        check_tool_paths(tool_paths, state)
        self._cgroups = cgroups
        self._programs = programs
        self._groups = cgroup.find(limits, cgroups)

    @property
    def grouped(self) -> bool:
        """Whether the kernel holds memory and processes to their limits, not a poller."""
        return self._groups is not None

    def limited(self, limits: Limits) -> "Bubblewrap":
        """The same backend with other limits."""
        return Bubblewrap(
            limits=limits,
            tool_paths=self.tool_paths,
            state=self.state,
            cgroups=self._cgroups,
            programs=self._programs,
            disks=self.disks.limited(limits.disk_mb),
        )

    @property
    def toolchain(self) -> str:
        """What a set-up's result depends on beside the repository and the commands."""
        return "\n".join([platform.machine(), _system_name(), *map(str, self.tool_paths)])

    def identity(self) -> list[object]:
        programs = (self.bwrap, self.setpriv, shutil.which("git"))
        return [
            seccomp.VERSION,
            self.grouped,
            isinstance(self.disks, Disks),
            *map(str, self.tool_paths),
            *(_identity(program) for program in programs if program),
        ]

    def remedy(self, said: str) -> str:
        return bubblewrap_remedy(said)

    def end_orphans(self) -> None:
        end_orphans()

    def attach(
        self,
        folder: Path,
        base_objects: Path | None,
        uid: int | None,
        outlet: Outlet | None = None,
    ) -> BubblewrapSandbox:
        """Raises SandboxUnavailable where `uid` does not fit, or cannot get at a folder."""
        drop = self._drop(uid)
        for path in (folder / "workspace", base_objects, *self.tool_paths):
            if path is not None and uid is not None:
                _check_passable(path, uid)
        disk = self.disks.open(folder, uid)
        tree, before = (disk.tree, disk.enter) if disk else (folder, [])
        before = [*before, *drop, self.bwrap]
        return BubblewrapSandbox(
            command_line(before, tree, base_objects, self.limits, self.tool_paths, outlet),
            disk or TreeSize(folder, self.limits.disk_mb << 20),
            limits=self.limits,
            uid=uid,
            groups=self._groups,
            filter_file=seccomp.filter_file(self.state),
            outlet=outlet,
        )

    def uid_for_run(self, run_id: str) -> int | None:
        return uid_for_run(run_id)

    def _drop(self, uid: int | None) -> list[str]:
        uid = command_uid(uid)
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


def _system_name() -> str:
    """The distribution and its version: its Python and libraries are what set-up builds for."""
    try:
        told = platform.freedesktop_os_release()
    except OSError:
        return ""
    return f"{told.get('ID', '')} {told.get('VERSION_ID', '')}"


def _identity(program: str) -> list[object]:
    """A program's version, without running it."""
    path = Path(program).resolve()
    info = path.stat()
    return [str(path), info.st_ino, info.st_size, info.st_mtime_ns]
