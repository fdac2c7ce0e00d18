"""A tree on this machine, and real backends to run commands in it."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

from sandbox.backends.base.backend import BackendOptions, Tree
from sandbox.backends.bubblewrap.backend import Bubblewrap
from sandbox.backends.bubblewrap.sandbox import BubblewrapSandbox
from sandbox.core.protocol import Limits
from sandbox.host import cgroup

NO_GROUPS = Path("/nonexistent")
PARTS = ("workspace", "home", "tmp")
AS_ROOT = os.geteuid() == 0


def make_backend(data: Path, limits: Limits | None = None, *, grouped: bool = True) -> Bubblewrap:
    """A backend; not `grouped`: one that finds no control groups and polls."""
    limits = limits or Limits(timeout_s=20, memory_mb=256, pids=64, disk_mb=64)
    options = BackendOptions(limits=limits, state=data / "state")
    return Bubblewrap(options, cgroups=cgroup.ROOT if grouped else NO_GROUPS)


def make_tree(folder: Path, uid: int | None) -> Path:
    """The folders of an empty tree."""
    folder.mkdir(mode=0o711)
    for name in PARTS:
        (folder / name).mkdir(mode=0o700)
        if uid is not None:
            os.chown(folder / name, uid, uid)
    return folder


def open_tree(backend: Bubblewrap, folder: Path, base: Path | None = None) -> BubblewrapSandbox:
    """A new empty tree in `folder`, and a sandbox on it."""
    uid = backend.uid_for_run(folder.name)
    return backend.attach(Tree(make_tree(folder, uid), base, uid))


def run_outside(
    script: str, folder: Path, environment: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """The same without a sandbox: the control that shows that an attack bites."""
    return subprocess.run(
        ["/bin/bash", "-c", script],
        cwd=folder,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=20,
        check=False,
    )


@cache
def missing() -> str | None:
    """Why no sandbox can be made here, or None."""
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        return "bubblewrap is not installed"
    drop = ["setpriv", "--reuid=30000", "--regid=30000", "--clear-groups"] if AS_ROOT else []
    line = [*drop, bwrap, "--unshare-user", "--unshare-pid", "--disable-userns"]
    line += ["--ro-bind", "/", "/", "--proc", "/proc", "true"]
    tried = subprocess.run(line, capture_output=True, text=True, cwd="/", check=False)
    return None if tried.returncode == 0 else f"no user namespaces: {tried.stderr.strip()}"
