"""A sandbox whose every command is a bubblewrap of its own."""

import asyncio
import os
from collections import deque
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from subprocess import DEVNULL

from graph.errors import SandboxUnavailable
from sandbox.backends.base.command import Command
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
from sandbox.backends.bubblewrap.prestart import Prestart, Started
from sandbox.core.output import BothEnds
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
_AHEAD = 2
"""So many wait for commands: some come together, or sooner than one is ready."""
_OWN_WORK_S, _LONG_S = 0.005, 0.05
"""After a command's end its caller uses its result, then waits for the model; so long is a command
that is itself something to wait for."""
_HELD = Command(program=(), seconds=0)
"""Stands for a command that is not known yet."""


class BubblewrapSandbox(LocalSandbox):
    """Every command is a line that bubblewrap carries out.

    Once told that more follow, it starts them while others are at work.
    """

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
        super().__init__(size, limits)
        self._line = line
        self._parts = parts
        self._ready: deque[Prestart] = deque()
        self._more_follow = False
        self._refilling: asyncio.TimerHandle | None = None
        self._leaving: set[asyncio.Future[cgroup.Usage]] = set()
        self._uid = uid
        self._groups = groups
        self._filter = compile_filter()
        self._files = {**ETC, SCRIPT_FILE: SCRIPT.encode()} if outlet else ETC
        self._start = START + outlet.exports if outlet else ""
        self._rlimits = rlimits(limits, grouped=groups is not None)
        self._service = process_name(os.getpid())

    async def close(self) -> None:
        self._closed = True
        if self._refilling:
            self._refilling.cancel()
        for ready in self._ready:
            await ready.end()
        await super().close()
        if self._leaving:
            await asyncio.wait(self._leaving)

    async def _carry_out(self, command: Command) -> ExecResult:
        started = await self._take_next(command) or await self._launch(command)
        execution = started.execution
        try:
            watchers = [] if started.group else [watch_processes(execution, self._limits)]
            await self._finish(execution, command.seconds, watchers)
            await self._measure(execution)
        finally:
            self._refill_in(_OWN_WORK_S)
            leaving = self._leave(started)
        usage = await asyncio.shield(leaving) if execution.exit_code != 0 else cgroup.Usage()
        return result_of(
            execution.output,
            code=execution.exit_code,
            limit=execution.limit,
            memory_kills=usage.memory_kills,
            pids_refusals=usage.pids_refusals,
            duration_ms=execution.duration_ms,
            loss=execution.loss,
        )

    async def _take_next(self, command: Command) -> Started | None:
        """What was started for this command, which it is by now."""
        self._more_follow |= command.more_follow
        taken = self._ready.popleft() if self._ready and command.is_bare else None
        self._refill_in(_LONG_S)
        return await taken.take(command.program, *self._output(command)) if taken else None

    def _refill_in(self, seconds: float) -> None:
        """Start what next commands will be, once those who want this one's end had theirs."""
        if self._refilling:
            self._refilling.cancel()
        if self._more_follow and not self._closed:
            self._refilling = asyncio.get_running_loop().call_later(seconds, self._refill)

    def _refill(self) -> None:
        while len(self._ready) < _AHEAD:
            start = partial(self._launch, _HELD)
            self._ready.append(Prestart(self, start, self._parts))

    def _leave(self, started: Started) -> "asyncio.Future[cgroup.Usage]":
        leaving = started.end()
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)
        return leaving

    async def _launch(self, command: Command) -> Started:
        group = self._groups.new(self._limits, idle=command is _HELD) if self._groups else None
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
                prelude = self._rlimits + barrier_words(fds.dup(barrier.theirs)) + self._start
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

    def _output(self, command: Command) -> tuple[BothEnds, int]:
        """What keeps a command's output, and how many bytes of it are too many."""
        return BothEnds(command.keep_bytes), max(self._limits.output_bytes, command.keep_bytes)


def _input(fds: ChildFds, command: Command) -> int:
    if command.source:
        return fds.open_read(command.source)
    return fds.memfd(command.stdin) if command.stdin else DEVNULL
