"""A sandbox whose every command is a container of its own, removed when the command has ended."""

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import IO, Any

from graph.calls import to_the_end
from graph.errors import SandboxUnavailable
from sandbox.backends.base.command import Command
from sandbox.backends.base.limit_verdict import result_of
from sandbox.backends.base.local_sandbox import LocalSandbox
from sandbox.backends.docker.argv import OUTPUT_FILE, Bind, ContainerLine
from sandbox.backends.docker.cli import DockerCli
from sandbox.backends.docker.execution import Execution
from sandbox.core.output import BothEnds
from sandbox.core.protocol import MAX_QUOTED_CHARS, ExecResult, Limits
from sandbox.core.shell_command import NOTHING
from sandbox.host.resource_usage import TreeSize

OUTPUT = "output"
SEEN_AFTER_S = 0.5
"""Asking the daemon for a container's process is not worth it for shorter commands."""


class DockerSandbox(LocalSandbox):
    """A container is made when `run` is called and removed when it returns."""

    def __init__(
        self,
        cli: DockerCli,
        line: ContainerLine,
        size: TreeSize,
        *,
        limits: Limits,
        state: Path,
        uid: int | None,
        always: Mapping[str, bytes] = NOTHING,
    ) -> None:
        """`always`: files that every container has, and its user alone can read."""
        super().__init__(size, limits)
        self._always = always
        self._cli = cli
        self._line = line
        self._state = state
        self._uid = uid

    async def _carry_out(self, command: Command) -> ExecResult:
        name = f"coding-agent-{secrets.token_hex(8)}"
        async with self._folder() as folder:
            binds = await asyncio.to_thread(self._make_files, folder, command)
            line = self._line.build(
                name,
                command.program,
                seconds=command.seconds,
                stdin=command.is_fed,
                to_file=command.target is not None,
                files=binds,
            )
            try:
                container = await to_the_end(self._create(line))
                started = time.monotonic()
                execution = await self._start(container, command)
                await self._finish(execution, command.seconds, [self._see(execution)])
                took_ms = round((time.monotonic() - started) * 1000)
            finally:
                state = await to_the_end(self._remove(name))
            await self._measure(execution)
            if command.target:
                await asyncio.to_thread(_hand_over, folder / OUTPUT, command.target)
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

    async def _create(self, line: list[str]) -> str:
        """The container's id. Always to its end: nobody could know one that was made later."""
        made = await self._cli.call(*line)
        if made.returncode != 0:
            complaint = made.stderr.strip()[-MAX_QUOTED_CHARS:]
            raise SandboxUnavailable(f"docker cannot make a container: {complaint}")
        return made.stdout.strip()

    async def _start(self, container: str, command: Command) -> Execution:
        words = ["start", "--attach", *(["--interactive"] if command.is_fed else []), container]
        file = await asyncio.to_thread(_open_input, command)
        with file:
            process = await self._cli.attach(
                *words,
                stdin=file if command.is_fed else None,
                environment=command.environment,
            )
        output_bytes = max(self._limits.output_bytes, command.keep_bytes)
        return Execution(process, container, BothEnds(command.keep_bytes), output_bytes)

    async def _see(self, execution: Execution) -> None:
        """Find the container's first process: by it deleted files count, and the end is quicker."""
        pid = 0
        while not pid:
            await asyncio.sleep(SEEN_AFTER_S)
            pid = (await self._inspect_state(execution.container)).get("Pid", 0)
        execution.see(pid)
        await asyncio.Event().wait()

    async def _remove(self, name: str) -> dict[str, Any]:
        """How the container ended, before everything in it is killed and it is gone."""
        state = await self._inspect_state(name)
        await self._cli.call("rm", "--force", "--volumes", name)
        return state

    async def _inspect_state(self, container: str) -> dict[str, Any]:
        shown = await self._cli.call("inspect", "--format={{json .State}}", container)
        state: dict[str, Any] = json.loads(shown.stdout) if shown.returncode == 0 else {}
        return state

    @contextlib.asynccontextmanager
    async def _folder(self) -> AsyncIterator[Path]:
        """For files of one container, where its user can pass."""
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="files-", dir=self._state))
        try:
            yield folder
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

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


def _open_input(command: Command) -> IO[bytes]:
    if command.source:
        return command.source.open("rb")
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    file.write(command.stdin)
    file.seek(0)
    return file
