"""What a run must not leave on the machine: processes, trees, mounts, control groups."""

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from graph.files.run_folder import RunFolder
from sandbox.backends.base.backend import BackendOptions
from sandbox.backends.bubblewrap.backend import Bubblewrap
from sandbox.core.protocol import Limits

_FINISHED: Final = frozenset(("succeeded", "no_changes", "rejected"))


class Leftovers:
    """Looks for what runs of one data folder left; `process` drives them."""

    def __init__(self, data: Path, process: int | None = None) -> None:
        self._runs = data / "runs"
        self._process = process or os.getpid()
        self._backend = Bubblewrap(BackendOptions(limits=Limits(), state=data / "sandbox"))

    async def none_of(self, run_id: str, status: str, within_s: float = 2.0) -> None:
        """Return once there is nothing; what a resumed role needs of its live tree may stay."""
        allowed = set() if status in _FINISHED else {"live"}
        await _empty(lambda: [name for name in self.trees(run_id) if name not in allowed], within_s)
        await _empty(lambda: self.processes(run_id), within_s)
        await _empty(self.groups, within_s)
        await _empty(self.mounts, within_s)

    def trees(self, run_id: str) -> list[str]:
        trees = RunFolder.of(self._runs, run_id).trees
        return [path.name for path in trees.iterdir()] if trees.exists() else []

    def processes(self, run_id: str) -> list[str]:
        """Those whose command names the run, and those of the user that its commands run as.

        A process that has ended and waits for its parent to notice has no command any more.
        """
        uid = self._backend.uid_for_run(run_id)
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                line = (
                    (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                )
                owned = uid is not None and folder.stat().st_uid == uid
                if line and (owned or run_id in line):
                    found.append(f"{folder.name} {line}")
            except OSError:
                continue
        return found

    def mounts(self) -> list[str]:
        """Files of the data folder that are mounted, wherever that is seen."""
        found = []
        for file in Path("/sys/block").glob("loop*/loop/backing_file"):
            with contextlib.suppress(OSError):
                found.append(file.read_text().strip())
        return [name for name in found if name.startswith(str(self._runs))]

    def groups(self) -> list[str]:
        """Control groups that the process made."""
        mark = f"-{self._process}-"
        homes = self._backend.groups.homes if self._backend.groups else ()
        return [str(group) for home in homes for group in home.iterdir() if mark in group.name]


async def _empty(look: Callable[[], list[str]], within_s: float) -> None:
    left = look()
    for _ in range(round(within_s / 0.02)):
        if not left:
            return
        await asyncio.sleep(0.02)
        left = look()
    assert not left
