"""A container that waits with a fork server in it, for one command after the other."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from graph.calls import to_the_end
from graph.errors import SandboxLost
from sandbox.backends.base.prestart import Mounted
from sandbox.backends.container.channel import Server
from sandbox.backends.container.wire import SERVER_SOURCE
from sandbox.backends.docker.argv import WARM_S, ContainerLine
from sandbox.backends.docker.cli import DockerCli, end
from sandbox.backends.docker.first_process import FirstProcess
from sandbox.backends.docker.started import create, inspect_state
from sandbox.host.executors import on_worker

ENDS_IDLE_S: Final = 600
"""Longer than it is kept: it ends by itself only where nobody is left to remove it."""
_READ_BYTES = 64 * 1024


class AttachedProcess:
    """The program attached to a container, as the process in it that it stands for."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    def stdout(self) -> AsyncIterator[bytes]:
        return _pieces(self._process.stdout)

    def stderr(self) -> AsyncIterator[bytes]:
        return _pieces(self._process.stderr)

    async def write(self, data: bytes) -> None:
        assert self._process.stdin, "it was started with one"
        self._process.stdin.write(data)
        try:
            await self._process.stdin.drain()
        except ConnectionError as error:
            raise SandboxLost(f"the sandbox was lost: {error}") from error

    async def end_input(self) -> None:
        if self._process.stdin:
            self._process.stdin.close()

    async def wait(self) -> int | None:
        return await self._process.wait()


class WarmContainer:
    """Carries out one command at a time, which has all of its limits and all of its network."""

    def __init__(self, cli: DockerCli, mounted: Mounted) -> None:
        """Nothing is started yet. It is of no use where it is not on `mounted` any more."""
        self._cli = cli
        self._name = f"coding-agent-{secrets.token_hex(8)}"
        self._since = time.monotonic()
        self._process: asyncio.subprocess.Process | None = None
        self._server: Server | None = None
        self._first: FirstProcess | None = None
        self.mounted = mounted

    @property
    def pid(self) -> int:
        """Its first process, where it can be seen from here, else the attached program."""
        assert self._process, "it was opened"
        return self._first.pid if self._first else self._process.pid

    @property
    def server(self) -> Server:
        assert self._server, "it was opened"
        return self._server

    @property
    def is_usable(self) -> bool:
        return not self.server.is_lost and time.monotonic() - self._since < WARM_S

    async def begin(self, line: ContainerLine) -> bool:
        """Start it; whether commands can be started in it.

        Raises SandboxUnavailable: it cannot be made, SandboxLost: nothing is heard of it.
        """
        container = await to_the_end(create(self._cli, line.build_warm(self._name, ENDS_IDLE_S)))
        self._process = await self._cli.converse("start", "--attach", "--interactive", container)
        attached = AttachedProcess(self._process)
        self._server = Server(attached)
        await attached.write(SERVER_SOURCE)
        if await self._server.refusal():
            return False
        state = await inspect_state(self._cli, self._name)
        self._first = FirstProcess.find(state.get("Pid", 0), container)
        if self._server.is_lost:
            raise SandboxLost("the sandbox was lost: its container is gone")
        return True

    def kill(self) -> None:
        """End all that runs in it, as soon as can be."""
        if self._first:
            self._first.kill()

    async def is_starved(self) -> bool:
        """Whether the kernel killed anything in it for memory."""
        state = await inspect_state(self._cli, self._name)
        return bool(state.get("OOMKilled"))

    async def end(self) -> None:
        """Return when nothing of it is left, and nothing of it runs where the daemon is gone."""
        try:
            await self._cli.call("rm", "--force", "--volumes", self._name)
        finally:
            self.kill()
            if self._server:
                self._server.end()
            if self._process:
                await end(self._process, is_read=True)
            if self._first:
                self._first.close()
                self._first = None


async def open_warm(
    cli: DockerCli, line: ContainerLine, parts: Sequence[Path]
) -> WarmContainer | None:
    """None where its image or its kernel cannot have one. `parts`: folders of its tree.

    Raises SandboxUnavailable: no container can be made, SandboxLost: nothing is heard of it.
    """
    container = WarmContainer(cli, await on_worker(partial(Mounted.look, parts)))
    serves = False
    try:
        serves = await container.begin(line)
    finally:
        if not serves:
            await to_the_end(container.end())
    return container if serves else None


async def _pieces(stream: asyncio.StreamReader | None) -> AsyncIterator[bytes]:
    while stream and (data := await stream.read(_READ_BYTES)):
        yield data
