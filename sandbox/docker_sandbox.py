"""A sandbox whose every command is a container of its own, removed when the command has ended."""

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from graph.errors import SandboxLost, SandboxUnavailable
from sandbox.attached import Attached, ToFile
from sandbox.docker_cli import DockerCli
from sandbox.docker_line import Bind, ContainerLine
from sandbox.files import read_file, write_file
from sandbox.output import BothEnds
from sandbox.sandbox import ExecResult, Limits
from sandbox.shell import NO_COMMAND, NOTHING, shell
from sandbox.watch import TreeSize, watch_tree, watched

T = TypeVar("T")

SEEN_AFTER_S = 0.5
"""Asking the daemon for a container's process is not worth it for shorter commands."""


class DockerSandbox:
    """One tree. A container is made when `run` is called and removed when it returns."""

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
        self._always = always
        self._cli = cli
        self._line = line
        self._size = size
        self._limits = limits
        self._state = state
        self._running: set[Attached] = set()
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
        """What the command complains of is lost: its output alone is the file."""
        program = ["/bin/bash", "-c", f"( {command}\n) 2>/dev/null", "bash"]
        return await self.execute(program, source=source, target=target)

    async def close(self) -> None:
        self._closed = True
        for attached in self._running:
            attached.stop(loss="it was closed")
        if self._calls:
            await self._idle.wait()

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
        """Run a program, with `files` put into the container.

        `environment` is added to that of the `docker` program, which no container sees. `source`
        is a file to read as standard input, `target` a new one for the output.
        """
        if self._closed:
            raise SandboxLost("the sandbox is closed")
        wanted = self._limits.timeout_s if timeout_s is None else timeout_s
        seconds = min(wanted, self._limits.timeout_s)
        name = f"coding-agent-{secrets.token_hex(8)}"
        told = bool(stdin or source)
        most = max(self._limits.output_bytes, keep_bytes)
        most = self._limits.disk_mb << 20 if target else most
        with (
            self._counted(),
            self._files({**self._always, **files}) as binds,
            _output(target, keep_bytes) as kept,
        ):
            line = self._line.build(name, program, seconds=seconds, stdin=told, files=binds)
            try:
                container = await to_the_end(self._create(line))
                started = time.monotonic()
                attached = await self._start(
                    container, stdin, source, kept, most, environment or {}
                )
                await self._finish(attached, seconds)
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

    async def _start(
        self,
        container: str,
        stdin: bytes,
        source: Path | None,
        kept: "BothEnds | ToFile",
        most: int,
        environment: Mapping[str, str],
    ) -> Attached:
        told = bool(stdin or source)
        words = ["start", "--attach", *(["--interactive"] if told else []), container]
        with source.open("rb") if source else tempfile.TemporaryFile() as file:
            if stdin:
                file.write(stdin)
                file.seek(0)
            process = await self._cli.attach(
                *words, stdin=file if told else None, environment=environment
            )
        return Attached(process, container, kept, most)

    async def _finish(self, attached: Attached, seconds: float) -> None:
        """Wait for the end, or a limit."""
        timer = asyncio.get_running_loop().call_later(seconds, attached.stop, "time")
        self._running.add(attached)
        if self._closed:
            attached.stop(loss="it was closed")
        try:
            watchers = [watch_tree(attached, self._size), self._see(attached)]
            with watched(attached, watchers):
                await attached.wait()
        finally:
            self._running.discard(attached)
            timer.cancel()

    async def _see(self, attached: Attached) -> None:
        """Find the container's first process: by it deleted files count, and the end is quicker."""
        pid = 0
        while not pid:
            await asyncio.sleep(SEEN_AFTER_S)
            pid = (await self._told(attached.container)).get("Pid", 0)
        attached.see(pid)
        await asyncio.Event().wait()

    async def _measure(self, attached: Attached) -> None:
        """The tree's size as the command left it: while its container was there, it could grow."""
        if attached.limit in {None, "disk"} and await self._size.suspect():
            outgrown = await self._size.outgrown(attached.pid)
            attached.limit = "disk" if outgrown else attached.limit

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
    def _counted(self) -> Iterator[None]:
        self._calls += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._calls -= 1
            if not self._calls:
                self._idle.set()


@contextlib.contextmanager
def _output(target: Path | None, keep_bytes: int) -> "Iterator[BothEnds | ToFile]":
    if target is None:
        yield BothEnds(keep_bytes)
        return
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
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
