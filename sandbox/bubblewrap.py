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
import stat
import zlib
from collections.abc import Mapping, Sequence
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
from sandbox.handover import Handover
from sandbox.output import BothEnds
from sandbox.process import Execution, Spawned, on_starter, start
from sandbox.sandbox import ExecResult, LimitHit, Limits
from sandbox.tool_paths import check_tool_paths
from sandbox.watch import TreeSize, watch_processes, watch_tree, watched

FIRST_UID, LAST_UID = 30_000, 59_999
"""Between the accounts that distributions make and those of the network."""

ENVIRONMENT = {"PATH": SYSTEM_PATH}
NOTHING: Mapping[str, bytes] = {}
COMMAND_FILE = "/etc/command.sh"
LONGEST_WORD = 100_000
"""The kernel takes words of 128 KiB; a longer command is a file."""
NO_COMMAND = ExecResult(
    exit_code=126,
    output=b"bash: a command holds no NUL bytes and no lone surrogates\n",
    dropped=0,
    duration_ms=0,
)
NO_PROCESS = (b"Resource temporarily unavailable", b"can't start new thread", b"EAGAIN")
"""How bash, Python, node and others say that they got no process or thread."""


class Bubblewrap:
    """The backend. Raises SandboxUnavailable where what it needs is not there."""

    def __init__(
        self,
        *,
        limits: Limits,
        tool_paths: tuple[Path, ...] = (),
        state: Path,
        cgroups: Path = cgroup.ROOT,
        programs: str = SYSTEM_PATH,
    ) -> None:
        """`programs` is the PATH on which bubblewrap and setpriv are looked for."""
        self.limits = limits
        self.tool_paths = tool_paths
        self.state = state
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
        )

    def attach(
        self, folder: Path, base_objects: Path | None, owner: int | None
    ) -> "BubblewrapSandbox":
        """Raises SandboxUnavailable where `owner` does not fit, or cannot get at a folder."""
        drop = self._drop(owner)
        for path in (folder / "workspace", base_objects, *self.tool_paths):
            if path is not None and owner is not None:
                _check_passable(path, owner)
        return BubblewrapSandbox(
            command_line(self.bwrap, drop, folder, base_objects, self.limits, self.tool_paths),
            TreeSize(folder, self.limits.disk_mb << 20),
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
        if self.setpriv is None:
            if owner not in {None, os.geteuid()}:
                raise SandboxUnavailable(f"only root can run commands as uid {owner}")
            return []
        if not owner:
            raise SandboxUnavailable(
                "started by root, a sandbox needs an owner other than root",
                "Give attach the uid that owner_of names.",
            )
        ids = [f"--reuid={owner}", f"--regid={owner}", "--clear-groups"]
        return [self.setpriv, *ids, "--inh-caps=-all", "--no-new-privs", "--"]


class BubblewrapSandbox:
    """One tree. A command is started when `run` is called and gone when it returns."""

    def __init__(
        self,
        line: CommandLine,
        size: TreeSize,
        *,
        limits: Limits,
        owner: int | None,
        groups: cgroup.Groups | None,
        filter_file: Path,
    ) -> None:
        self._line = line
        self._size = size
        self._limits = limits
        self._owner = owner
        self._groups = groups
        self._filter_file = filter_file
        self._rlimits = rlimits(limits, grouped=groups is not None)
        self._running: set[Execution] = set()
        self._starting = 0
        self._none_starts = asyncio.Event()
        self._none_starts.set()
        self._closed = False

    async def run(
        self,
        command: str,
        *,
        timeout_s: float | None = None,
        stdin: bytes = b"",
        keep_bytes: int = 64 * 1024,
    ) -> ExecResult:
        try:
            text = os.fsencode(command)
        except UnicodeEncodeError:
            text = b"\0"
        if b"\0" in text:
            return NO_COMMAND
        in_file = len(text) > LONGEST_WORD
        return await self.execute(
            ["/bin/bash", COMMAND_FILE] if in_file else ["/bin/bash", "-c", command, "bash"],
            stdin=stdin,
            timeout_s=timeout_s,
            keep_bytes=keep_bytes,
            files={COMMAND_FILE: text} if in_file else NOTHING,
        )

    async def read(self, path: str, *, max_bytes: int = 1024 * 1024) -> bytes:
        return await read_file(self.execute, path, max_bytes)

    async def write(self, path: str, data: bytes) -> None:
        await write_file(self.execute, path, data)

    async def close(self) -> None:
        self._closed = True
        for execution in self._running:
            execution.stop(loss="it was closed")
        await self._none_starts.wait()
        for execution in list(self._running):
            await execution.closed.wait()

    async def execute(
        self,
        program: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout_s: float | None = None,
        keep_bytes: int = 64 * 1024,
        files: Mapping[str, bytes] = NOTHING,
        environment: Mapping[str, str] = ENVIRONMENT,
    ) -> ExecResult:
        """Run a program, with `files` put into the sandbox.

        `environment` is that of the line outside, which the sandbox empties.
        """
        if self._closed:
            raise SandboxLost("the sandbox is closed")
        group = self._groups.new() if self._groups else None
        try:
            execution = await self._start(program, group, stdin, keep_bytes, files, environment)
            await self._finish(execution, self._seconds(timeout_s))
            return _result(execution, group)
        finally:
            if group:
                await group.remove()

    async def _start(
        self,
        program: Sequence[str],
        group: cgroup.Group | None,
        stdin: bytes,
        keep_bytes: int,
        files: Mapping[str, bytes],
        environment: Mapping[str, str],
    ) -> Execution:
        self._starting += 1
        self._none_starts.clear()
        try:
            spawned = await on_starter(lambda: self._spawn(program, stdin, files, environment))
        finally:
            self._starting -= 1
            if not self._starting:
                self._none_starts.set()
        output_bytes = max(self._limits.output_bytes, keep_bytes)
        admit = group.admit if group else None
        execution = Execution(spawned, BothEnds(keep_bytes), output_bytes, admit)
        if self._closed:
            execution.stop(loss="it was closed")
        return execution

    def _spawn(
        self,
        program: Sequence[str],
        stdin: bytes,
        files: Mapping[str, bytes],
        environment: Mapping[str, str],
    ) -> Spawned:
        try:
            with Handover() as handover:
                output, status = handover.from_child(self._owner), handover.from_child()
                gate = handover.to_child()
                prelude = self._rlimits + gate_words(handover.again(gate.theirs))
                texts = {**ETC, RLIMITS: prelude.encode(), **files}
                line = self._line.build(
                    files={path: handover.data(text) for path, text in texts.items()},
                    seccomp=handover.file(self._filter_file),
                    status=status.theirs,
                    gate=gate.theirs,
                )
                return start(
                    [*line, *program],
                    handover,
                    stdin=handover.data(stdin) if stdin else DEVNULL,
                    output=output,
                    status=status,
                    gate=gate,
                    environment=environment,
                )
        except OSError as error:
            raise SandboxUnavailable(f"bubblewrap cannot be started: {error}") from error

    def _seconds(self, wanted: float | None) -> float:
        """A caller may shorten the time, never lengthen it."""
        return self._limits.timeout_s if wanted is None else min(wanted, self._limits.timeout_s)

    async def _finish(self, execution: Execution, timeout_s: float) -> None:
        """Wait for the end, or a limit."""
        timer = asyncio.get_running_loop().call_later(timeout_s, execution.stop, "time")
        watchers = [watch_tree(execution, self._size)]
        if self._groups is None:
            watchers.append(watch_processes(execution, self._limits))
        self._running.add(execution)
        try:
            with watched(execution, watchers):
                await execution.wait()
        finally:
            self._running.discard(execution)
            timer.cancel()
        if execution.limit in {None, "disk"} and await self._size.suspect():
            outgrown = await self._size.outgrown(execution.pid)
            execution.limit = "disk" if outgrown else execution.limit


def _result(execution: Execution, group: cgroup.Group | None) -> ExecResult:
    """Raises SandboxLost where the command neither ended nor met a limit."""
    limit, code = execution.limit, execution.exit_code
    if limit is None and code != 0 and group:
        limit = _kernel_limit(group.usage(), execution.output.kept)
    if limit is None and code is None:
        raise SandboxLost(f"the sandbox was lost: {execution.loss}")
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


def _is_account(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True
