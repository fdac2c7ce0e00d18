"""A sandbox whose commands run in containers, each in one that no other command is in."""

import asyncio
import os
import secrets
import shutil
import tempfile
import time
import weakref
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import BinaryIO

from graph.calls import acquire, to_the_end, uninterrupted
from sandbox.backends.base.command import HELD, Command
from sandbox.backends.base.limit_verdict import result_of
from sandbox.backends.base.local_sandbox import LocalSandbox
from sandbox.backends.base.prestart import IDLE_S
from sandbox.backends.docker.argv import OUTPUT_FILE, Bind, ContainerLine
from sandbox.backends.docker.cli import DockerCli
from sandbox.backends.docker.execution import Execution
from sandbox.backends.docker.started import Started, create, inspect_state
from sandbox.backends.docker.warm_container import WarmContainer
from sandbox.backends.docker.warm_containers import WarmContainers
from sandbox.backends.docker.warm_execution import WarmExecution
from sandbox.core.protocol import ExecResult, Limits
from sandbox.core.shell_command import NOTHING
from sandbox.host.resource_usage import TreeSize

OUTPUT = "output"
WARM_INPUT_BYTES = 1 << 20
"""Of a longer one a warm container's memory would have to hold a copy."""
SEEN_AFTER_S = 0.5
"""Asking the daemon for a container's process is not worth it for shorter commands."""


class DockerSandbox(LocalSandbox[Started]):
    """A command runs in a warm container; one that needs more than its words and a short input, or
    where there is none, in a container that is made for it and removed when it has ended."""

    def __init__(
        self,
        cli: DockerCli,
        line: ContainerLine,
        size: TreeSize,
        *,
        parts: Sequence[Path],
        limits: Limits,
        state: Path,
        uid: int | None,
        always: Mapping[str, bytes] = NOTHING,
        warm: WarmContainers | None = None,
    ) -> None:
        """`always`: files that every container has, and its user alone can read."""
        super().__init__(size, limits, parts)
        self._always = always
        self._cli = cli
        self._line = line
        self._state = state
        self._uid = uid
        self._warm = warm
        if warm:
            weakref.finalize(self, warm.abandon).atexit = False

    @uninterrupted
    async def close(self) -> None:
        if self._warm:
            self._closed = True
            self._warm.shut()
        await super().close()
        if self._warm:
            await self._warm.close()

    async def _carry_out(self, command: Command) -> ExecResult:
        self._more_follow |= command.more_follow
        more = command.files or command.environment or command.source or command.target
        if self._warm and not more and len(command.stdin) <= WARM_INPUT_BYTES:
            container = await self._warm.take()
            if container:
                return await self._run_warm(self._warm, container, command)
        return await self._run_apart(command)

    async def _run_warm(
        self, warm: WarmContainers, container: WarmContainer, command: Command
    ) -> ExecResult:
        kept, most = self._output(command)
        request = self._line.request(command, most)
        execution = WarmExecution(container, request, command.stdin, kept)
        since = time.monotonic()
        memory_kills = 0
        try:
            await self._finish(execution, command.seconds, [])
            took_ms = round((time.monotonic() - since) * 1000)
            if execution.answer is None and execution.limit is None:
                memory_kills = int(await container.is_starved())
            if not execution.is_over:  # until then it may go on writing
                await to_the_end(warm.remove(container))
            await self._measure(execution)
        finally:
            if execution.is_clean:
                warm.give_back(container)
            elif execution.is_over:
                warm.let_go(container)
            else:
                await to_the_end(warm.remove(container))
        answer = execution.answer
        return result_of(
            execution.output,
            code=answer.result.exit_code if answer else None,
            limit=execution.limit,
            memory_kills=answer.memory_kills if answer else memory_kills,
            duration_ms=took_ms,
            loss=execution.loss or "its container is gone",
        )

    def _refill(self) -> None:
        if self._warm and not self._warm.is_refused:
            self._refilling = None
            self._warm.make_ahead()
        else:
            super()._refill()

    async def _run_apart(self, command: Command) -> ExecResult:
        started = await self._start(command)
        execution = started.execution
        try:
            try:
                await self._finish(execution, command.seconds, [self._see(execution)])
                took_ms = round((time.monotonic() - started.since) * 1000)
            finally:
                state = await to_the_end(started.halt())
            await self._measure(execution)
            if command.target:
                await asyncio.to_thread(_hand_over, started.folder / OUTPUT, command.target)
        finally:
            self._let_leave(asyncio.create_task(started.clear_away()))
        exited = state.get("Status") == "exited" and not state.get("Error") and not execution.loss
        said = execution.output.kept[-500:].decode(errors="replace").strip()
        return result_of(
            execution.output,
            code=state.get("ExitCode") if exited else None,
            limit=execution.limit,
            memory_kills=int(state.get("OOMKilled", False)),
            duration_ms=took_ms,
            loss=execution.loss or state.get("Error") or said or "its container is gone",
        )

    async def _launch(self, command: Command) -> Started:
        """Always to its end: nobody could know a container that was made later."""
        return await acquire(self._make(command), lambda started: started.discard())

    async def _make(self, command: Command) -> Started:
        name = f"coding-agent-{secrets.token_hex(8)}"
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="files-", dir=self._state))
        is_held = command is HELD
        async with AsyncExitStack() as undoing:
            undoing.push_async_callback(
                asyncio.to_thread, shutil.rmtree, folder, ignore_errors=True
            )
            line = self._line.build(
                name,
                command.program,
                seconds=self._seconds(None) + IDLE_S if is_held else command.seconds,
                stdin=is_held or command.is_fed,
                to_file=command.target is not None,
                files=await asyncio.to_thread(self._make_files, folder, command),
            )
            container = await create(self._cli, line)
            undoing.push_async_callback(self._cli.call, "rm", "--force", "--volumes", name)
            started = await self._attach(container, name, folder, command)
            undoing.pop_all()
        return started

    async def _attach(self, container: str, name: str, folder: Path, command: Command) -> Started:
        is_fed = command is HELD or command.is_fed
        words = ["start", "--attach", *(["--interactive"] if is_fed else []), container]
        ours, file = await asyncio.to_thread(_open_input, command)
        with file:
            process = await self._cli.attach(
                *words,
                stdin=file if is_fed else None,
                environment=command.environment,
            )
        execution = Execution(process, container, *self._output(command))
        return Started(self._cli, name, execution, folder, ours)

    async def _see(self, execution: Execution) -> None:
        """Find the container's first process: by it deleted files count, and the end is quicker."""
        while not execution.is_seen:
            await asyncio.sleep(SEEN_AFTER_S)
            state = await inspect_state(self._cli, execution.container)
            execution.see(state.get("Pid", 0))
        await asyncio.Event().wait()

    def _make_files(self, folder: Path, command: Command) -> list[Bind]:
        """Those that it reads, and the one that it writes its output to."""
        folder.chmod(0o711)
        binds = []
        for number, (target, data) in enumerate({**self._always, **command.files}.items()):
            source = folder / str(number)
            source.touch(mode=0o600)
            source.write_bytes(data)
            if target in command.files:
                source.chmod(0o644)
            elif self._uid is not None:
                os.chown(source, self._uid, self._uid)
            binds.append(Bind(source, target))
        if command.target:
            (folder / OUTPUT).touch(mode=0o600)
            if self._uid is not None:
                os.chown(folder / OUTPUT, self._uid, self._uid)
            binds.append(Bind(folder / OUTPUT, OUTPUT_FILE, writable=True))
        return binds


def _hand_over(output: Path, target: Path) -> None:
    os.chown(output, os.geteuid(), os.getegid())
    shutil.move(output, target)


def _open_input(command: Command) -> tuple[BinaryIO | None, BinaryIO]:
    """What writes the input later, if anything does, and what is read."""
    if command is HELD:
        theirs, ours = os.pipe()
        return os.fdopen(ours, "wb"), os.fdopen(theirs, "rb")
    if command.source:
        return None, command.source.open("rb")
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    file.write(command.stdin)
    file.seek(0)
    return None, file
