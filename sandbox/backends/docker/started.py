"""A container that carries out a command, and what it leaves on this machine."""

import asyncio
import contextlib
import json
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from graph.calls import to_the_end
from graph.errors import SandboxUnavailable
from sandbox.backends.docker.cli import DockerCli
from sandbox.backends.docker.execution import Execution
from sandbox.core.output import BothEnds
from sandbox.core.protocol import MAX_QUOTED_CHARS
from sandbox.host.executors import on_worker


async def create(cli: DockerCli, line: Sequence[str]) -> str:
    """The new container's id. Raises SandboxUnavailable."""
    made = await cli.call(*line)
    if made.returncode != 0:
        complaint = made.stderr.strip()[-MAX_QUOTED_CHARS:]
        raise SandboxUnavailable(f"docker cannot make a container: {complaint}")
    return made.stdout.strip()


async def inspect_state(cli: DockerCli, container: str) -> dict[str, Any]:
    """What the daemon says of a container; nothing where it knows none."""
    shown = await cli.call("inspect", "--format={{json .State}}", container)
    state: dict[str, Any] = json.loads(shown.stdout) if shown.returncode == 0 else {}
    return state


@dataclass
class Started:
    """One container that was started. `folder` has its files, `words` takes its program."""

    cli: DockerCli
    name: str
    execution: Execution
    folder: Path
    words: BinaryIO | None = None
    since: float = field(default_factory=time.monotonic)
    _removed: bool = False

    async def is_let_in(self, then: "asyncio.Future[None]", within_s: float) -> bool:
        if not await self.execution.is_let_in():
            return False
        state = await inspect_state(self.cli, self.name)
        self.execution.see(state.get("Pid", 0))
        await asyncio.wait((then,), timeout=within_s)
        return then.done() and self.execution.is_there

    def begin(self, kept: BothEnds, most: int) -> None:
        self.since = time.monotonic()
        self.execution.begin(kept, most)

    def give(self, program: Sequence[str]) -> None:
        on_worker(partial(self._write, b"".join(os.fsencode(word) + b"\0" for word in program)))

    async def halt(self) -> dict[str, Any]:
        """How it ended, as the daemon says; what has not ended by itself is killed."""
        state = await inspect_state(self.cli, self.name)
        if state.get("Status") != "exited":
            await self._remove()
        return state

    async def clear_away(self) -> None:
        """Remove what is left of it."""
        if self.words:
            self.words.close()
        if not self._removed:
            await self._remove()
        await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)

    async def discard(self) -> None:
        self.execution.stop()
        try:
            await self.execution.wait()
        finally:
            await to_the_end(self.clear_away())

    def _write(self, data: bytes) -> None:
        assert self.words is not None, "it has a program"
        with contextlib.suppress(BrokenPipeError), self.words as words:  # it says why it is gone
            words.write(data)

    async def _remove(self) -> None:
        await self.cli.call("rm", "--force", "--volumes", self.name)
        self._removed = True
