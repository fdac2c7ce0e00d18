"""`coding-agent serve` as a process of its own, which can be told to leave or be killed."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

import httpx

from tests.standins.github import TOKEN
from tests.support.command.command_process import environment
from tests.support.command.warm_command import WarmCommand
from tests.support.whole_runs.world import CLAUDE_KEY, World


def environment_of(world: World) -> dict[str, str]:
    """The variables by which the command works in this world."""
    return {
        "CODING_AGENT_DATA_DIR": str(world.data),
        "ANTHROPIC_BASE_URL": world.claude.base_url,
        "ANTHROPIC_API_KEY": CLAUDE_KEY,
        "GITHUB_API_URL": world.forge.api_url,
        "GITHUB_TOKEN": TOKEN,
        "CODING_AGENT_KEY_RATE": "0",
    }


class ServerProcess:
    """The process and its address."""

    def __init__(self, process: asyncio.subprocess.Process | WarmCommand, address: str) -> None:
        self.process = process
        self.address = address

    @classmethod
    @asynccontextmanager
    async def started(
        cls, *program: Path, env: Mapping[str, str], cwd: Path, log: Path | None = None
    ) -> AsyncIterator[Self]:
        """Serve by this program, else by a warm one; gone at the end in any case."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        with (log or Path(os.devnull)).open("ab") as said:
            words = ("serve", "--port", str(port))
            process = (
                await asyncio.create_subprocess_exec(
                    *program, *words, env=env, cwd=cwd, stdout=said, stderr=said
                )
                if program
                else await WarmCommand.started(
                    *words, env=env, folder=cwd, drives=True, files=(said.fileno(),) * 3
                )
            )
        server = cls(process, f"http://127.0.0.1:{port}")
        try:
            await server._is_up()
            yield server
        finally:
            if process.returncode is None:
                process.terminate()
                await process.wait()

    async def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 20)

    async def _is_up(self) -> None:
        async with httpx.AsyncClient(base_url=self.address, trust_env=False) as http:
            async with asyncio.timeout(60):
                while self.process.returncode is None:
                    try:
                        if (await http.get("/ready")).status_code == 200:
                            return
                    except httpx.TransportError:
                        await asyncio.sleep(0.05)
        raise AssertionError(f"the server ended with {self.process.returncode}")


@asynccontextmanager
async def server_process(world: World) -> AsyncIterator[ServerProcess]:
    """Serve the world's data folder, the settings in the environment."""
    env = environment(world.folder, environment_of(world))
    async with ServerProcess.started(env=env, cwd=world.folder) as server:
        yield server
