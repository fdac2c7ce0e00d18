"""Untrusted commands under bubblewrap, one for each command, by a line tried against attacks.

What holds it together:
- Started by root it would leave uid 0 in the kernel's eyes, and with it the host's `/proc/sys`:
  so `setpriv` drops to a uid of the run's own first, and `/proc/sys` is read-only.
- Nothing is mounted below a folder that commands can write, where a planted symlink would lead
  the mount elsewhere.
- The system call filter is no extra: sockets of the hypervisor are not in the network namespace.
- The end of a command is the end of its process namespace: nothing it started outlives it.
"""

import asyncio
import os
import pwd
import shutil
import zlib
from collections.abc import Mapping, Sequence
from math import inf
from pathlib import Path
from subprocess import DEVNULL

from graph.errors import SandboxLost, SandboxUnavailable
from sandbox import cgroup, seccomp
from sandbox.command_line import (
    ETC,
    RLIMITS,
    SYSTEM_PATH,
    CommandLine,
    command_line,
    gate_words,
    rlimits,
)
from sandbox.files import read_file, write_file
from sandbox.output import BothEnds
from sandbox.process import Channels, Execution, Handover, start
from sandbox.sandbox import ExecResult, LimitHit, Limits

FIRST_UID, LAST_UID = 30_000, 59_999
"""Between the accounts that distributions make and those of the network."""

ENVIRONMENT = {"PATH": SYSTEM_PATH}
NO_PROCESS = (b"Resource temporarily unavailable", b"can't start new thread", b"EAGAIN")
"""How bash, Python, node and others say that they got no process or thread."""


class Bubblewrap:
    """The backend. Raises SandboxUnavailable where what it needs is not installed."""

    def __init__(self, *, limits: Limits, tool_paths: tuple[Path, ...] = (), state: Path) -> None:
        self.limits = limits
        self.tool_paths = tool_paths
        self.state = state
        self._bwrap = _find("bwrap", "bubblewrap")
        self._setpriv = _find("setpriv", "util-linux") if os.geteuid() == 0 else None
        self.state.mkdir(parents=True, exist_ok=True)
        self._groups = cgroup.find(limits)

    @property
    def grouped(self) -> bool:
        """Whether the kernel holds memory and processes to their limits, not a poller."""
        return self._groups is not None

    def attach(
        self, folder: Path, base_objects: Path | None, owner: int | None
    ) -> "BubblewrapSandbox":
        line = command_line(
            self._bwrap, self._drop(owner), folder, base_objects, self.limits, self.tool_paths
        )
        return BubblewrapSandbox(
            line,
            limits=self.limits,
            owner=owner,
            groups=self._groups,
            filter_file=seccomp.filter_file(self.state),
        )

    def owner_of(self, run_id: str) -> int | None:
        if os.geteuid() != 0:
            return None
        uid = FIRST_UID + zlib.crc32(run_id.encode()) % (LAST_UID - FIRST_UID + 1)
        while _is_account(uid):
            uid = FIRST_UID + (uid + 1 - FIRST_UID) % (LAST_UID - FIRST_UID + 1)
        return uid

    def _drop(self, owner: int | None) -> list[str]:
        if self._setpriv is None:
            if owner not in {None, os.geteuid()}:
                raise SandboxUnavailable(f"only root can run commands as uid {owner}")
            return []
        if not owner:
            raise SandboxUnavailable(
                "run by root, a sandbox needs an owner other than root",
                "Give attach the uid that owner_of names.",
            )
        ids = [f"--reuid={owner}", f"--regid={owner}", "--clear-groups"]
        return [self._setpriv, *ids, "--inh-caps=-all", "--no-new-privs", "--"]


class BubblewrapSandbox:
    """One tree. A command is started when `run` is called and gone when it returns."""

    def __init__(
        self,
        line: CommandLine,
        *,
        limits: Limits,
        owner: int | None,
        groups: cgroup.Groups | None,
        filter_file: Path,
    ) -> None:
        self._line = line
        self._limits = limits
        self._owner = owner
        self._groups = groups
        self._filter_file = filter_file
        self._rlimits = rlimits(limits, grouped=groups is not None)
        self._running: set[Execution] = set()
        self._closed = False

    async def run(
        self,
        command: str,
        *,
        timeout_s: float | None = None,
        stdin: bytes = b"",
        keep_bytes: int = 64 * 1024,
    ) -> ExecResult:
        program = ["/bin/bash", "-c", command, "bash"]
        return await self.execute(program, stdin=stdin, timeout_s=timeout_s, keep_bytes=keep_bytes)

    async def read(self, path: str, *, max_bytes: int = 1024 * 1024) -> bytes:
        return await read_file(self.execute, path, max_bytes)

    async def write(self, path: str, data: bytes) -> None:
        await write_file(self.execute, path, data)

    async def close(self) -> None:
        self._closed = True
        for execution in self._running:
            execution.stop()
        for execution in list(self._running):
            await execution.closed.wait()

    async def execute(
        self,
        program: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout_s: float | None = None,
        keep_bytes: int = 64 * 1024,
        environment: Mapping[str, str] = ENVIRONMENT,
    ) -> ExecResult:
        """Run a program. `environment` is that of the line outside, which the sandbox empties."""
        if self._closed:
            raise SandboxLost("the sandbox is closed")
        group = self._groups.new() if self._groups else None
        try:
            execution = self._start(program, group, stdin, keep_bytes, environment)
            await self._finish(execution, min(timeout_s or inf, self._limits.timeout_s))
            return _result(execution, group)
        finally:
            if group:
                await group.remove()

    def _start(
        self,
        program: Sequence[str],
        group: cgroup.Group | None,
        stdin: bytes,
        keep_bytes: int,
        environment: Mapping[str, str],
    ) -> Execution:
        with Handover() as handover:
            prelude = self._rlimits
            gate: tuple[int | None, int | None] = (None, None)
            if group is not None:
                ours, theirs, shells = handover.gate()
                gate, prelude = (ours, theirs), prelude + gate_words(shells)
            output, stdout = handover.output(self._owner)
            status, status_end = handover.output()
            files = ETC | {RLIMITS: prelude}
            line = self._line.build(
                files={path: handover.data(text.encode()) for path, text in files.items()},
                seccomp=handover.file(self._filter_file),
                status=status_end,
                gate=gate[1],
            )
            leader = start(
                [*line, *program],
                handover,
                stdin=handover.data(stdin) if stdin else DEVNULL,
                stdout=stdout,
                environment=environment,
            )
            channels = Channels(output, status, gate[0])
            return Execution(leader, channels, BothEnds(keep_bytes), group.admit if group else None)

    async def _finish(self, execution: Execution, timeout_s: float) -> None:
        """Until its end or a limit."""
        execution.output_limit = self._limits.output_bytes
        timer = asyncio.get_running_loop().call_later(timeout_s, execution.stop, "time")
        self._running.add(execution)
        try:
            await execution.wait()
        finally:
            timer.cancel()
            self._running.discard(execution)


def _result(execution: Execution, group: cgroup.Group | None) -> ExecResult:
    """Raises SandboxLost where the command neither ended nor met a limit."""
    limit, code = execution.limit, execution.exit_code
    if limit is None and code != 0 and group:
        limit = _kernel_limit(group.usage(), execution.output.kept)
    if limit is None and code is None:
        raise SandboxLost(execution.loss)
    return ExecResult(
        exit_code=None if limit else code,
        output=execution.output.kept,
        dropped=execution.output.dropped,
        duration_ms=execution.duration_ms,
        limit=limit,
    )


def _kernel_limit(usage: cgroup.Usage, output: bytes) -> LimitHit | None:
    """A refused process alone is no reason to fail; that the command says so makes it one."""
    if usage.memory_kills:
        return "memory"
    if usage.pids_refusals and any(sign in output for sign in NO_PROCESS):
        return "pids"
    return None


def _find(program: str, package: str) -> str:
    found = shutil.which(program, path=SYSTEM_PATH)
    if found is None:
        raise SandboxUnavailable(
            f"{program} is not installed", f"sudo apt-get install -y {package}"
        )
    return found


def _is_account(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True
