"""A sandbox whose every command is a bubblewrap of its own."""

import asyncio
import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from subprocess import DEVNULL

from graph.errors import SandboxLost, SandboxUnavailable
from sandbox import cgroup
from sandbox.command_line import (
    ETC,
    RLIMITS,
    SYSTEM_PATH,
    CommandLine,
    gate_words,
    output_words,
    rlimits,
)
from sandbox.disks import Disk
from sandbox.files import read_file, write_file
from sandbox.forwarder import SCRIPT, SCRIPT_FILE, START, Outlet
from sandbox.handover import Handover
from sandbox.leftovers import MARK, process_name
from sandbox.output import BothEnds
from sandbox.process import Execution, Spawned, spawn, start
from sandbox.refused import Refused
from sandbox.sandbox import ExecResult, Limits
from sandbox.shell import NO_COMMAND, NOTHING, shell
from sandbox.threads import on_worker
from sandbox.watch import TreeSize, watch_processes, watch_tree, watched

ENVIRONMENT = {"PATH": SYSTEM_PATH}


class BubblewrapSandbox:
    """One tree. A command is started when `run` is called and gone when it returns."""

    def __init__(
        self,
        line: CommandLine,
        size: TreeSize | Disk,
        *,
        limits: Limits,
        owner: int | None,
        groups: cgroup.Groups | None,
        filter_file: Path,
        outlet: Outlet | None = None,
    ) -> None:
        self._line = line
        self._size = size
        self._limits = limits
        self._owner = owner
        self._groups = groups
        self._filter_file = filter_file
        self._files = {**ETC, SCRIPT_FILE: SCRIPT.encode()} if outlet else ETC
        self._start = START if outlet else ""
        self._rlimits = rlimits(limits, grouped=groups is not None)
        self._service = process_name(os.getpid())
        self._running: set[Execution] = set()
        self._calls = 0
        self._idle = asyncio.Event()
        self._closed = False

    async def run(
        self,
        command: str,
        *,
        timeout_s: float | None = None,
        stdin: bytes = b"",
        keep_bytes: int = 64 * 1024,
    ) -> ExecResult:
        told = shell(command)
        if told is None:
            return NO_COMMAND
        return await self.execute(
            told.program,
            stdin=stdin,
            timeout_s=timeout_s,
            keep_bytes=keep_bytes,
            files=told.files,
        )

    async def read(self, path: str, *, max_bytes: int = 1024 * 1024) -> bytes:
        return await read_file(self.execute, path, max_bytes)

    async def write(self, path: str, data: bytes) -> None:
        await write_file(self.execute, path, data)

    async def transfer(
        self, command: str, *, source: Path | None = None, target: Path | None = None
    ) -> ExecResult:
        return await self.execute(
            ["/bin/bash", "-c", command, "bash"], source=source, target=target
        )

    async def close(self) -> None:
        self._closed = True
        for execution in self._running:
            execution.stop(loss="it was closed")
        if self._calls:
            await self._idle.wait()
        if isinstance(self._size, Disk):
            await asyncio.to_thread(self._size.close)

    async def execute(
        self,
        program: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout_s: float | None = None,
        keep_bytes: int = 64 * 1024,
        files: Mapping[str, bytes] = NOTHING,
        environment: Mapping[str, str] | None = None,
        source: Path | None = None,
        target: Path | None = None,
    ) -> ExecResult:
        """Run a program, with `files` put into the sandbox.

        `environment` is added to that of the line outside, which the sandbox empties. `source` is a
        file to read as standard input, `target` one to write standard output to.
        """
        if self._closed:
            raise SandboxLost("the sandbox is closed")
        with self._counted():
            group = self._groups.new() if self._groups else None
            own = self._size if isinstance(self._size, Disk) else None
            was_full = own is not None and own.full
            try:
                execution = await start(
                    partial(self._spawn, program, stdin, files, environment or {}, source, target),
                    partial(self._attend, group, keep_bytes),
                )
                await self._finish(execution, self._seconds(timeout_s))
            finally:
                ending = on_worker(group.end) if group else None
                usage = await asyncio.shield(ending) if ending else cgroup.Usage()
            refused = Refused(usage, own_disk=bool(own), filled=bool(own and own.full > was_full))
        return _result(execution, refused)

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        self._calls += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._calls -= 1
            if not self._calls:
                self._idle.set()

    def _spawn(
        self,
        program: Sequence[str],
        stdin: bytes,
        files: Mapping[str, bytes],
        environment: Mapping[str, str],
        source: Path | None = None,
        target: Path | None = None,
    ) -> Spawned:
        """Blocks. Raises SandboxUnavailable."""
        try:
            with Handover() as handover:
                output, status = handover.from_child(self._owner), handover.from_child()
                gate = handover.to_child()
                prelude = self._rlimits + gate_words(handover.again(gate.theirs)) + self._start
                if target:
                    prelude += output_words(handover.writable(target))
                texts = {**self._files, RLIMITS: prelude.encode(), **files}
                line = self._line.build(
                    files={path: handover.data(text) for path, text in texts.items()},
                    seccomp=handover.file(self._filter_file),
                    status=status.theirs,
                    gate=gate.theirs,
                )
                return spawn(
                    [*line, *program],
                    handover,
                    stdin=_input(handover, stdin, source),
                    output=output,
                    status=status,
                    gate=gate,
                    environment={**ENVIRONMENT, **environment, MARK: self._service},
                )
        except OSError as error:
            raise SandboxUnavailable(f"bubblewrap cannot be started: {error}") from error

    def _attend(self, group: cgroup.Group | None, keep_bytes: int, spawned: Spawned) -> Execution:
        output_bytes = max(self._limits.output_bytes, keep_bytes)
        admit = group.admit if group else None
        execution = Execution(spawned, BothEnds(keep_bytes), output_bytes, admit)
        if self._closed:
            execution.stop(loss="it was closed")
        return execution

    def _seconds(self, wanted: float | None) -> float:
        """A caller may shorten the time, never lengthen it."""
        return self._limits.timeout_s if wanted is None else min(wanted, self._limits.timeout_s)

    async def _finish(self, execution: Execution, timeout_s: float) -> None:
        """Wait for the end, or a limit."""
        timer = asyncio.get_running_loop().call_later(timeout_s, execution.stop, "time")
        size = self._size if isinstance(self._size, TreeSize) else None
        watchers = [watch_tree(execution, size)] if size else []
        if self._groups is None:
            watchers.append(watch_processes(execution, self._limits))
        self._running.add(execution)
        try:
            with watched(execution, watchers):
                await execution.wait()
        finally:
            self._running.discard(execution)
            timer.cancel()
        if size and execution.limit in {None, "disk"} and await size.suspect():
            outgrown = await size.outgrown(execution.pid)
            execution.limit = "disk" if outgrown else execution.limit


def _input(handover: Handover, stdin: bytes, source: Path | None) -> int:
    if source:
        return handover.file(source)
    return handover.data(stdin) if stdin else DEVNULL


def _result(execution: Execution, refused: Refused) -> ExecResult:
    """Raises SandboxLost where the command neither ended nor met a limit."""
    limit, code = execution.limit, execution.exit_code
    if limit is None:
        limit = refused.limit(execution.output.kept, failed=code != 0)
    if limit is None and code is None:
        raise SandboxLost(f"the sandbox was lost: {execution.loss}")
    return ExecResult(
        exit_code=None if limit else code,
        output=execution.output.kept,
        dropped=execution.output.dropped,
        duration_ms=execution.duration_ms,
        limit=limit,
    )
