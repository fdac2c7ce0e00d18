"""A sandbox whose every command is a container of its own, removed when the command has ended."""

import asyncio
import contextlib
import errno
import json
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from graph.errors import SandboxError, SandboxUnavailable, StoreFull
from sandbox.backends.base.command import Command
from sandbox.backends.base.limit_verdict import LimitEvidence, result_of
from sandbox.backends.base.local_sandbox import LocalSandbox
from sandbox.backends.docker.argv import Bind, ContainerLine
from sandbox.backends.docker.cli import DockerCli
from sandbox.backends.docker.execution import Execution, ToFile
from sandbox.core.output import BothEnds
from sandbox.core.protocol import ExecResult, Limits
from sandbox.core.shell_command import NOTHING
from sandbox.host.executors import to_the_end
from sandbox.host.resource_usage import TreeSize

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
        always: Mapping[str, bytes] = NOTHING,
    ) -> None:
        """`always`: files that every container has."""
        super().__init__(size, limits)
        self._always = always
        self._cli = cli
        self._line = line
        self._state = state

    async def transfer(
        self, command: str, *, source: Path | None = None, target: Path | None = None
    ) -> ExecResult:
        """What the command complains of is lost: its output alone is the file."""
        return await super().transfer(f"( {command}\n) 2>/dev/null", source=source, target=target)

    async def _carry_out(self, command: Command) -> ExecResult:
        name = f"coding-agent-{secrets.token_hex(8)}"
        with _map_full_disk(), _output(command) as kept:
            async with self._files({**self._always, **command.files}) as binds:
                line = self._line.build(
                    name,
                    command.program,
                    seconds=command.seconds,
                    stdin=command.is_fed,
                    files=binds,
                )
                try:
                    container = await to_the_end(self._create(line))
                    started = time.monotonic()
                    execution = await self._start(container, command, kept)
                    await self._finish(execution, command.seconds, [self._see(execution)])
                    took_ms = round((time.monotonic() - started) * 1000)
                finally:
                    state = await to_the_end(self._remove(name))
                await self._measure(execution)
        exited = state.get("Status") == "exited" and not state.get("Error") and not execution.loss
        said = kept.kept[-500:].decode(errors="replace").strip()
        return result_of(
            kept,
            code=state.get("ExitCode") if exited else None,
            limit=execution.limit,
            evidence=LimitEvidence(memory_kills=int(state.get("OOMKilled", False))),
            duration_ms=took_ms,
            loss=execution.loss or state.get("Error") or said or "its container is gone",
        )

    async def _create(self, line: list[str]) -> str:
        """The container's id. Always to its end: nobody could know one that was made later."""
        code, output, complaint = await self._cli.call(*line)
        if code != 0:
            raise SandboxUnavailable(f"docker cannot make a container: {complaint}")
        return output.decode().strip()

    async def _start(self, container: str, command: Command, kept: BothEnds) -> Execution:
        words = ["start", "--attach", *(["--interactive"] if command.is_fed else []), container]
        file = await asyncio.to_thread(_open_input, command)
        with file:
            process = await self._cli.attach(
                *words,
                stdin=file if command.is_fed else None,
                environment=command.environment,
            )
        most = max(self._limits.output_bytes, command.keep_bytes)
        most = self._limits.disk_mb << 20 if command.target else most
        return Execution(process, container, kept, most)

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
        code, output, _ = await self._cli.call("inspect", "--format={{json .State}}", container)
        state: dict[str, Any] = json.loads(output) if code == 0 else {}
        return state

    @contextlib.asynccontextmanager
    async def _files(self, files: Mapping[str, bytes]) -> AsyncIterator[list[Bind]]:
        """Files for the container, in a folder that its user can read."""
        if not files:
            yield []
            return
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="files-", dir=self._state))
        try:
            yield await asyncio.to_thread(_write_files, folder, files)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _write_files(folder: Path, files: Mapping[str, bytes]) -> list[Bind]:
    folder.chmod(0o711)
    binds = []
    for number, (target, data) in enumerate(files.items()):
        source = folder / str(number)
        source.write_bytes(data)
        source.chmod(0o644)
        binds.append(Bind(source, target))
    return binds


def _open_input(command: Command) -> IO[bytes]:
    if command.source:
        return command.source.open("rb")
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    file.write(command.stdin)
    file.seek(0)
    return file


@contextlib.contextmanager
def _output(command: Command) -> Iterator[BothEnds]:
    if command.target is None:
        yield BothEnds(command.keep_bytes)
        return
    handle = os.open(command.target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb", buffering=0) as file:
        yield ToFile(file)


@contextlib.contextmanager
def _map_full_disk() -> Iterator[None]:
    """What of this machine's disk fails under a command is no command's fault."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreFull(f"There is no space left for a command's output: {error}") from error
        raise SandboxError(f"A command's output cannot be kept: {error}") from error
