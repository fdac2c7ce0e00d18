"""A container that stays, by root: processes are started in it one after the other."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.modal_plane.sandboxes.command_exec import ERR, OUT, Exec, start
from tests.sandbox.backends.container.local_container import ENVIRONMENT, Container, OwnUsers


@dataclass
class HeldProcess:
    """A process in it."""

    running: Exec

    def stdout(self) -> AsyncIterator[bytes]:
        return self.running.read(OUT, 0)

    def stderr(self) -> AsyncIterator[bytes]:
        return self.running.read(ERR, 0)

    async def write(self, data: bytes) -> None:
        await self.running.write(self.running.written, data)

    async def end_input(self) -> None:
        self.running.close()

    async def wait(self) -> int | None:
        return await self.running.wait()


@dataclass
class HeldContainer:
    """`started` holds the words of each process that was asked for, `first` its own first one."""

    first: int
    started: list[Sequence[str]] = field(default_factory=list)
    processes: list[HeldProcess] = field(default_factory=list)

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path, *, without: str = "") -> AsyncIterator[Self]:
        users = OwnUsers()
        words = ("sh", "-c", "echo; exec sleep infinity")
        line = Container(folder, without).line(*words, users=users)
        holder = await asyncio.create_subprocess_exec(
            *line, env=ENVIRONMENT, pass_fds=users.given, stdout=asyncio.subprocess.PIPE
        )
        held = cls(await asyncio.to_thread(users.give))
        assert holder.stdout
        await holder.stdout.readline()
        try:
            yield held
        finally:
            await held.end()
            await holder.wait()
            for process in held.processes:
                await process.running.wait()

    async def start(self, argv: Sequence[str], *, timeout_s: int | None) -> HeldProcess:
        self.started.append(argv)
        into = ["nsenter", "--target", str(self.first), "--user", "--preserve-credentials"]
        into += ["--mount", "--pid", "--wd=/", "--"]
        process = HeldProcess(await start([*into, *argv], argv, ENVIRONMENT))
        self.processes.append(process)
        if timeout_s is not None:
            asyncio.get_running_loop().call_later(timeout_s, process.running.expire)
        return process

    async def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.first, signal.SIGKILL)
