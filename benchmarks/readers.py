"""Many readers of one run: what they get in a second, how late, and what they cost the server."""

import asyncio
import re
import statistics
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx

from benchmarks.load import NAME, TOKEN, environment, resident_mib
from benchmarks.script import PROMPT, make_repository
from benchmarks.server_process import ServerProcess
from benchmarks.timed_claude import TimedClaude
from tests.standins.github_server.server import ForgeServer

READERS: Final = 100
_LATENCY_S: Final = 0.05
_TURNS: Final = 60
_TIME: Final = re.compile(rb'"time":"([^"]+)"')


@dataclass(frozen=True)
class Readers:
    """Events delivered in a second, lateness in ms, and MiB that the readers added."""

    events_per_s: float
    median_ms: float
    worst_ms: float
    """Of 99 in a hundred."""
    memory_mib: float


async def measure_readers(folder: Path) -> Readers:
    """Readers that came before the first turn, to the run's end."""
    await asyncio.to_thread(make_repository, folder / "repository")
    claude = TimedClaude(_TURNS, _LATENCY_S)
    async with claude, ForgeServer(token=TOKEN) as forge:
        await forge.add_repository(NAME, folder / "repository")
        server = ServerProcess(folder, environment(folder, claude, forge))
        try:
            await server.start()
            url = f"{forge.address}/{NAME}"
            await _watched(server, url, 1)  # imports what a first run needs
            before = resident_mib(server.pids[-1])
            begun = time.perf_counter()
            lags = await _watched(server, url, READERS)
            seconds = time.perf_counter() - begun
            grown = resident_mib(server.pids[-1]) - before
        finally:
            await server.kill()
    hundredths = statistics.quantiles(lags, n=100)
    return Readers(len(lags) / seconds, hundredths[49], hundredths[98], grown)


async def _watched(server: ServerProcess, repo_url: str, readers: int) -> list[float]:
    """The lateness of every event that every reader of a new run got."""
    async with httpx.AsyncClient(base_url=server.address, trust_env=False) as http:
        body = {"repoUrl": repo_url, "prompt": PROMPT}
        answer = await http.post("/code", json=body, headers={"Prefer": "respond-async"})
        path = f"{answer.headers['Location']}/events"
    read = await asyncio.gather(*(_read(server.address, path) for _ in range(readers)))
    if len({len(lags) for lags in read}) > 1:
        raise SystemExit("not every reader got every event")
    return [lag for lags in read for lag in lags]


async def _read(address: str, path: str) -> list[float]:
    """Milliseconds from each event's time to its coming here."""
    host = urlsplit(address)
    reader, writer = await asyncio.open_connection(host.hostname, host.port)
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: {host.netloc}\r\nConnection: close\r\n\r\n".encode()
    )
    lags = []
    while line := await reader.readline():
        if line.startswith(b"data:") and (made := _TIME.search(line)):
            lags.append((time.time() - _seconds(made[1])) * 1000)
    writer.close()
    return lags


def _seconds(text: bytes) -> float:
    return datetime.fromisoformat(text.decode()).timestamp()
