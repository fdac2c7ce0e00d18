"""A sandbox whose every command is a bubblewrap of its own."""

import asyncio
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from subprocess import DEVNULL

from graph.errors import SandboxUnavailable
from sandbox.backends.base.command import HELD, Command
from sandbox.backends.base.limit_verdict import result_of
from sandbox.backends.base.local_sandbox import LocalSandbox
from sandbox.backends.bubblewrap.argv import (
    ETC,
    RLIMITS,
    CommandLine,
    barrier_words,
    output_words,
    receiving_program,
    rlimits,
)
from sandbox.backends.bubblewrap.child_fds import ChildFds
from sandbox.backends.bubblewrap.execution import Execution, Spawned, spawn, start
from sandbox.backends.bubblewrap.started import Started
from sandbox.core.protocol import ExecResult, Limits
from sandbox.egress.forwarder import SCRIPT, SCRIPT_FILE, START, Outlet
from sandbox.host import cgroup
from sandbox.host.executors import on_worker
from sandbox.host.orphans import MARK, process_name
from sandbox.host.resource_usage import TreeSize
from sandbox.host.resource_watch import watch_processes
from sandbox.host.seccomp_tables import compile_filter
from sandbox.tree.environment import SYSTEM_PATH

ENVIRONMENT = {"PATH": SYSTEM_PATH}


class BubblewrapSandbox(LocalSandbox[Started]):
    """Every command is a line that bubblewrap carries out."""

    def __init__(
        self,
        line: CommandLine,
        size: TreeSize,
        *,
        parts: Sequence[Path],
        limits: Limits,
        uid: int | None,
        groups: cgroup.Groups | None,
        outlet: Outlet | None = None,
    ) -> None:
        """Raises SandboxUnavailable: no system call filter can be made."""
        super().__init__(size, limits, parts)
        self._line = line
        self._uid = uid
        self._groups = groups
        self._filter = compile_filter()
        self._files = {**ETC, SCRIPT_FILE: SCRIPT.encode()} if outlet else ETC
        self._prelude = START + outlet.exports if outlet else ""
        self._rlimits = rlimits(limits, grouped=groups is not None)
        self._service = process_name(os.getpid())

    async def _carry_out(self, command: Command) -> ExecResult:
        started = await self._start(command)
        execution = started.execution
        try:
            watchers = [] if started.group else [watch_processes(execution, self._limits)]
            await self._finish(execution, command.seconds, watchers)
            await self._measure(execution)
        finally:
            failed = execution.exit_code != 0
            leaving = started.end(counted=failed)
            self._let_leave(leaving)
        usage = await asyncio.shield(leaving) if failed else cgroup.Usage()
        return result_of(
            execution.output,
            code=execution.exit_code,
            limit=execution.limit,
            memory_kills=usage.memory_kills,
            pids_refusals=usage.pids_refusals,
            duration_ms=execution.duration_ms,
            loss=execution.loss,
        )

    async def _launch(self, command: Command) -> Started:
        group = self._groups.new(self._limits, idle=command is HELD) if self._groups else None
        try:
            spawning = partial(self._spawn, command)
            execution = await start(spawning, partial(self._monitor, group, command))
        except BaseException:
            if group:
                await asyncio.shield(on_worker(group.end))
            raise
        return Started(execution, group)

    def _spawn(self, command: Command) -> Spawned:
        """Blocks. Raises SandboxUnavailable."""
        try:
            with ChildFds() as fds:
                output, status = fds.pipe_from_child(self._uid), fds.pipe_from_child()
                barrier = fds.pipe_to_child()
                prelude = self._rlimits + barrier_words(fds.dup(barrier.theirs)) + self._prelude
                if command.target:
                    prelude += output_words(fds.create_write(command.target))
                texts = {**self._files, RLIMITS: prelude.encode(), **command.files}
                line = self._line.build(
                    files={path: fds.memfd(text) for path, text in texts.items()},
                    seccomp=fds.memfd(self._filter),
                    status=status.theirs,
                    barrier=barrier.theirs,
                )
                words = None if command.program else fds.shared_memory()
                program = receiving_program(words.theirs) if words else command.program
                return spawn(
                    [*line, *program],
                    fds,
                    stdin=_input(fds, command),
                    output=output,
                    status=status,
                    barrier=barrier,
                    words=words,
                    environment={**ENVIRONMENT, **command.environment, MARK: self._service},
                )
        except OSError as error:
            raise SandboxUnavailable(f"bubblewrap cannot be started: {error}") from error

    def _monitor(self, group: cgroup.Group | None, command: Command, spawned: Spawned) -> Execution:
        return Execution(spawned, *self._output(command), group.join if group else None)


def _input(fds: ChildFds, command: Command) -> int:
    if command.source:
        return fds.open_read(command.source)
    return fds.memfd(command.stdin) if command.stdin else DEVNULL
