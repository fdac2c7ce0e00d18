"""`coding-agent serve` as a process that is measured, killed and started again."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Final

import httpx
from prometheus_client.parser import text_string_to_metric_families

_COMMAND: Final = (sys.executable, "-m", "coding_agent", "serve", "--port")
_UP_S: Final = 60.0


class ServerProcess:
    """One address, one data folder, many processes after each other."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self._port = listener.getsockname()[1]
        self.address = f"http://127.0.0.1:{self._port}"
        self.pids: list[int] = []
        self._log = folder / "server.log"
        self._temporary = folder / "temporary"
        self._temporary.mkdir(mode=0o711)
        self._environment = {
            **environment,
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "TMPDIR": str(self._temporary),
            "PYTHONPATH": str(Path(__file__).parents[1]),
        }
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Return once it is ready."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *_COMMAND, str(self._port), env=self._environment, stderr=log
            )
        self.pids.append(self._process.pid)
        async with asyncio.timeout(_UP_S), httpx.AsyncClient(trust_env=False) as http:
            while True:
                try:
                    if (await http.get(f"{self.address}/ready")).status_code == 200:
                        return
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
                if self._process.returncode is not None:
                    raise RuntimeError(f"the server ended: see {self._log}")

    async def kill(self) -> None:
        """As `kill -9` does."""
        if self._process and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def stop(self) -> float:
        """Tell it to leave; the seconds that it took."""
        assert self._process
        loop = asyncio.get_running_loop()
        begun = loop.time()
        self._process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(self._process.wait(), 15)
        return loop.time() - begun

    async def gauges(self) -> dict[str, float]:
        """The numbers of `/metrics` that have no labels."""
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.get(f"{self.address}/metrics")
        families = text_string_to_metric_families(answer.text)
        samples = (sample for family in families for sample in family.samples)
        return {sample.name: sample.value for sample in samples if not sample.labels}

    @property
    def temporary_files(self) -> list[str]:
        return [path.name for path in self._temporary.iterdir()]

    def errors(self) -> list[str]:
        """Tracebacks in its log: there are none, whatever fails."""
        return [line for line in self._log.read_text().splitlines() if '"exception"' in line]
