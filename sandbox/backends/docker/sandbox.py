"""A sandbox whose every command is a container of its own, removed when the command has ended."""

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from graph.errors import SandboxLost, SandboxUnavailable
from sandbox.backends.base.command import Command
from sandbox.backends.base.local_sandbox import LocalSandbox
from sandbox.backends.docker.argv import Bind, ContainerLine
from sandbox.backends.docker.attached_container import Attached, ToFile
from sandbox.backends.docker.cli import DockerCli
from sandbox.core.output import BothEnds
from sandbox.core.protocol import ExecResult, Limits
from sandbox.core.shell_command import NOTHING
from sandbox.host.resource_watch import TreeSize

T = TypeVar("T")

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
        with self._files({**self._always, **command.files}) as binds, _output(command) as kept:
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
                attached = await self._start(container, command, kept)
                await self._finish(attached, command.seconds, [self._see(attached)])
                took_ms = round((time.monotonic() - started) * 1000)
            finally:
                ended = await to_the_end(self._remove(name))
            await self._measure(attached)
        return _result(attached, ended, took_ms)

    async def _create(self, line: list[str]) -> str:
        """The container's id. Always to its end: nobody could know one that was made later."""
        code, output, complaint = await self._cli.call(*line)
        if code != 0:
            raise SandboxUnavailable(f"docker cannot make a container: {complaint}")
        return output.decode().strip()

    async def _start(self, container: str, command: Command, kept: "BothEnds | ToFile") -> Attached:
        fed, source = command.is_fed, command.source
        words = ["start", "--attach", *(["--interactive"] if fed else []), container]
        with source.open("rb") if source else tempfile.TemporaryFile() as file:
            if command.stdin:
                file.write(command.stdin)
                file.seek(0)
            process = await self._cli.attach(
                *words, stdin=file if fed else None, environment=command.environment
            )
        most = max(self._limits.output_bytes, command.keep_bytes)
        most = self._limits.disk_mb << 20 if command.target else most
        return Attached(process, container, kept, most)

    async def _see(self, attached: Attached) -> None:
        """Find the container's first process: by it deleted files count, and the end is quicker."""
        pid = 0
        while not pid:
            await asyncio.sleep(SEEN_AFTER_S)
            pid = (await self._told(attached.container)).get("Pid", 0)
        attached.see(pid)
        await asyncio.Event().wait()

    async def _remove(self, name: str) -> dict[str, Any]:
        """How the container ended, before everything in it is killed and it is gone."""
        ended = await self._told(name)
        await self._cli.call("rm", "--force", "--volumes", name)
        return ended

    async def _told(self, container: str) -> dict[str, Any]:
        code, output, _ = await self._cli.call("inspect", "--format={{json .State}}", container)
        state: dict[str, Any] = json.loads(output) if code == 0 else {}
        return state

    @contextlib.contextmanager
    def _files(self, files: Mapping[str, bytes]) -> Iterator[list[Bind]]:
        """Files for the container, in a folder that its user can read."""
        if not files:
            yield []
            return
        folder = Path(tempfile.mkdtemp(prefix="files-", dir=self._state))
        try:
            folder.chmod(0o711)
            binds = []
            for number, (target, data) in enumerate(files.items()):
                source = folder / str(number)
                source.write_bytes(data)
                source.chmod(0o644)
                binds.append(Bind(source, target))
            yield binds
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _output(command: Command) -> "Iterator[BothEnds | ToFile]":
    if command.target is None:
        yield BothEnds(command.keep_bytes)
        return
    handle = os.open(command.target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        yield ToFile(file)


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Its result, awaited even where the caller is cancelled meanwhile; that is told after it."""
    task = asyncio.create_task(work)
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError
    return task.result()


def _result(attached: Attached, ended: Mapping[str, Any], took_ms: int) -> ExecResult:
    """Raises SandboxLost where the command neither ended nor met a limit."""
    limit = attached.limit
    exited = ended.get("Status") == "exited" and not ended.get("Error") and not attached.loss
    code: int | None = ended.get("ExitCode") if exited else None
    if limit is None and code != 0 and ended.get("OOMKilled"):
        limit = "memory"
    if limit is None and code is None:
        said = attached.output.kept[-500:].decode(errors="replace").strip()
        reason = attached.loss or ended.get("Error") or said or "its container is gone"
        raise SandboxLost(f"the sandbox was lost: {reason}")
    return ExecResult(
        exit_code=None if limit else code,
        output=attached.output.kept,
        dropped=attached.output.dropped,
        duration_ms=took_ms,
        limit=limit,
    )
