"""The `docker` program: short calls, and one that stays attached to a container."""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from graph.calls import acquire
from graph.errors import SandboxUnavailable

CALL_S = 60.0
"""How long the daemon may take for what takes it well under a second."""

END_S = 5.0
"""How long what was killed may take to let go of its output: a child of it may hold it open."""


def docker_environment(host: str | None = None) -> dict[str, str]:
    """All that the `docker` program is started with; `host` is where its daemon listens."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin",
        "HOME": str(Path.home()),
        **({"DOCKER_HOST": host} if host else {}),
    }


class DockerCli:
    """Starts `docker` with an exact environment, in which no secret is."""

    def __init__(self, program: str, environment: Mapping[str, str]) -> None:
        self.program = program
        self._environment = dict(environment)

    def ask(self, *words: str, seconds: float = CALL_S) -> "subprocess.CompletedProcess[str]":
        """One call, to its end. Blocks. Raises SandboxUnavailable where there is none."""
        try:
            return subprocess.run(
                [self.program, *words],
                check=False,
                env=self._environment,
                cwd="/",
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=seconds,
                start_new_session=True,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _silent(error) from error

    async def call(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """The same, without blocking; it comes to its end whoever is cancelled."""
        return await asyncio.to_thread(self.ask, *words)

    async def attach(
        self, *words: str, stdin: "IO[bytes] | None", environment: Mapping[str, str]
    ) -> asyncio.subprocess.Process:
        """Start a call that goes on, its output and complaints in one pipe."""
        return await self._begin(words, stdin or subprocess.DEVNULL, subprocess.STDOUT, environment)

    async def converse(self, *words: str) -> asyncio.subprocess.Process:
        """Start a call that goes on, which is written to; each of its streams is a pipe."""
        return await self._begin(words, subprocess.PIPE, subprocess.PIPE, {})

    async def _begin(
        self,
        words: Sequence[str],
        stdin: "IO[bytes] | int",
        stderr: int,
        environment: Mapping[str, str],
    ) -> asyncio.subprocess.Process:
        starting = asyncio.create_subprocess_exec(
            self.program,
            *words,
            env={**self._environment, **environment},
            cwd="/",
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
        )
        try:
            return await acquire(starting, end)  # asyncio may wait for ever for one that is cut
        except OSError as error:
            raise _silent(error) from error


async def end(process: asyncio.subprocess.Process, *, is_read: bool = False) -> None:
    """Kill it where it still runs, and see it gone. If it `is_read`, another reads its output."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    try:
        async with asyncio.timeout(END_S):
            while process.stdout and not is_read and await process.stdout.read(64 * 1024):
                pass
            await process.wait()
    except TimeoutError:
        process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001 - nothing else lets go


def _silent(error: Exception) -> SandboxUnavailable:
    return SandboxUnavailable(
        f"docker does not answer: {error or type(error).__name__}",
        "Start its daemon: sudo systemctl start docker",
    )
