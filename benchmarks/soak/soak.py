"""Many runs through a server that is killed time and again, while all around it fails."""

import asyncio
import contextlib
import json
import random
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
from httpx_sse import EventSource

from benchmarks.server_process import ServerProcess
from benchmarks.soak.checks import (
    faults_of_log,
    faults_of_publishing,
    leftovers,
    open_leases,
)
from benchmarks.soak.world import FlakyClaude, FlakyForge, make_repository, prompt_of
from tests.standins.github import TOKEN
from tests.standins.messages_api.server import MessagesServer

Event = dict[str, Any]
_KEY: Final = "soak-claude-key-0123456789"
_REPOSITORIES: Final = 4
_MIB: Final = 1 << 20


@dataclass(frozen=True)
class Plan:
    """How hard. Once `killing` of the runs have ended, the server is left alive."""

    runs: int = 200
    concurrency: int = 20
    model_faults: float = 0.02
    forge_faults: float = 0.05
    kill_every_s: float = 20.0
    most_kills: int = 1000
    killing: float = 0.6
    seed: int = 1
    deadline_s: float = 1800.0
    database_url: str = ""
    """Where runs are kept, if not in files."""


@dataclass
class Report:
    """What happened; `problems` is empty where all is as it should be."""

    seconds: float = 0.0
    statuses: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    attempts: int = 0
    events: int = 0
    retries: Counter[str] = field(default_factory=Counter)
    reconnects: int = 0
    model_calls: int = 0
    model_faults: int = 0
    replies_counted: int = 0
    forge_calls: int = 0
    forge_faults: int = 0
    stop_s: float = 0.0
    open_files: tuple[int, int] = (0, 0)
    memory_mib: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class Soak:
    """One soak in one folder."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._plan = plan
        self._data = folder / "data"
        self._folder = folder
        self._random = random.Random(plan.seed)
        self._claude = FlakyClaude(plan.model_faults, plan.seed)
        self._forge = FlakyForge(plan.forge_faults, plan.seed)
        self._logs: dict[str, list[Event]] = {}
        self._ended = 0
        self._coding = asyncio.Event()
        self._free = asyncio.Semaphore(plan.concurrency)
        self.report = Report()

    async def run(self) -> Report:
        """From the first request to the last check."""
        begun = time.monotonic()
        async with self._forge, MessagesServer(self._claude, key=_KEY) as claude:
            repositories = await self._host()
            server = ServerProcess(self._folder, self._environment(claude.base_url))
            try:
                async with asyncio.timeout(self._plan.deadline_s):
                    await server.start()
                    self.report.open_files = (await _open_files(server), 0)
                    await self._load(server, repositories)
                    await self._look_back(server)
            except TimeoutError:
                ended = f"{self._ended} of {self._plan.runs} runs"
                self.report.problems.append(f"the time was over when {ended} had ended")
            finally:
                await server.kill()
            self._check(server)
        self.report.seconds = time.monotonic() - begun
        return self.report

    def _environment(self, claude: str) -> dict[str, str]:
        return {
            "ANTHROPIC_API_KEY": _KEY,
            "ANTHROPIC_BASE_URL": claude,
            "GITHUB_TOKEN": TOKEN,
            "GITHUB_API_URL": self._forge.api_url,
            "CODING_AGENT_DATA_DIR": str(self._data),
            "CODING_AGENT_DATABASE_URL": self._plan.database_url,
            "CODING_AGENT_KEY_RATE": "0",
            "CODING_AGENT_MAX_CONCURRENT_RUNS": str(self._plan.concurrency),
            "CODING_AGENT_MAX_QUEUED_RUNS": str(self._plan.runs),
        }

    async def _host(self) -> list[str]:
        source = self._folder / "repository"
        await asyncio.to_thread(make_repository, source)
        names = [f"soak/notes-{number}" for number in range(_REPOSITORIES)]
        for name in names:
            await self._forge.add_repository(name, source)
        return [f"{self._forge.address}/{name}" for name in names]

    async def _load(self, server: ServerProcess, repositories: list[str]) -> None:
        killing = asyncio.create_task(self._kill_again_and_again(server))
        watching = asyncio.create_task(self._watch_memory(server))
        try:
            async with asyncio.TaskGroup() as clients:
                for number in range(1, self._plan.runs + 1):
                    url = repositories[number % len(repositories)]
                    clients.create_task(self._one(server, number, url))
        finally:
            for task in (killing, watching):
                task.cancel()
            await asyncio.gather(killing, watching, return_exceptions=True)

    async def _one(self, server: ServerProcess, number: int, url: str) -> None:
        """A client that starts a run and reads its events to the end, whatever happens between."""
        async with self._free, httpx.AsyncClient(base_url=server.address, timeout=45) as http:
            run_id = await self._start(http, number, url)
            log = self._logs[run_id] = []
            while not await self._read(http, run_id, log):
                self.report.reconnects += 1
                await asyncio.sleep(0.3 + self._random.random() / 3)
            self._ended += 1

    async def _start(self, http: httpx.AsyncClient, number: int, url: str) -> str:
        body = {"repoUrl": url, "prompt": prompt_of(number)}
        headers = {"Idempotency-Key": f"soak-{number}", "Prefer": "respond-async"}
        while True:
            with contextlib.suppress(httpx.TransportError):
                answer = await http.post("/code", json=body, headers=headers)
                if answer.status_code == 202:
                    return str(answer.json()["runId"])
                if answer.status_code not in (429, 503):
                    raise RuntimeError(f"{answer.status_code}: {answer.text}")
            await asyncio.sleep(0.2)

    async def _read(self, http: httpx.AsyncClient, run_id: str, log: list[Event]) -> bool:
        """Read on; whether this was the end of the run."""
        headers = {"Last-Event-ID": str(log[-1]["seq"] if log else 0)}
        with contextlib.suppress(httpx.TransportError):
            async with http.stream("GET", f"/runs/{run_id}/events", headers=headers) as answer:
                answer.raise_for_status()
                async for sent in EventSource(answer).aiter_sse():
                    if sent.data and sent.event != "stream.end":
                        log.append(json.loads(sent.data))
                        if log[-1].get("node") == "code":
                            self._coding.set()
                return bool(log) and log[-1]["type"] == "run.finished"
        return False

    async def _kill_again_and_again(self, server: ServerProcess) -> None:
        plan = self._plan
        await self._coding.wait()  # what a kill in the sandbox's trial leaves goes only later
        while self.report.kills < plan.most_kills:
            await asyncio.sleep(plan.kill_every_s * (0.8 + 0.4 * self._random.random()))
            if self._ended >= plan.runs * plan.killing:
                return
            await server.kill()
            self.report.kills += 1
            self.report.memory_mib.clear()
            await server.start()

    async def _watch_memory(self, server: ServerProcess) -> None:
        """Of the newest process while it drives runs; those before it are forgotten."""
        while True:
            await asyncio.sleep(1)
            with contextlib.suppress(httpx.TransportError):
                gauges = await server.gauges()
                if gauges["coding_agent_driven_runs"]:
                    self.report.memory_mib.append(gauges["process_resident_memory_bytes"] / _MIB)

    async def _look_back(self, server: ServerProcess) -> None:
        """Each log once more from its start, then the end of the server."""
        async with httpx.AsyncClient(base_url=server.address, timeout=45) as http:
            for run_id, log in self._logs.items():
                again: list[Event] = []
                await self._read(http, run_id, again)
                if again != log:
                    self.report.problems.append(f"{run_id}: what was read live is not the log")
        await asyncio.sleep(1)
        self.report.open_files = (self.report.open_files[0], await _open_files(server))
        self.report.stop_s = await server.stop()

    def _check(self, server: ServerProcess) -> None:
        report, problems = self.report, self.report.problems
        for run_id, log in self._logs.items():
            problems += [f"{run_id}: {problem}" for problem in faults_of_log(log)]
        problems += faults_of_publishing(self._logs, self._forge.repositories())
        problems += leftovers(self._data, server.pids)
        problems += [f"temporary file {name}" for name in server.temporary_files]
        problems += [f"unexpected error: {line[:500]}" for line in server.errors()]
        if held := open_leases(self._data, self._plan.database_url):
            problems.append(f"{held} runs are still held")
        before, after = report.open_files
        if after > before + 2 * _REPOSITORIES + 12:
            problems.append(f"{after} open files, {before} at the start")
        if len(report.memory_mib) >= 20 and _growth(report.memory_mib) > 1.2:
            problems.append(f"memory grew by {_growth(report.memory_mib):.0%}")
        self._count()

    def _count(self) -> None:
        report = self.report
        events = [event for log in self._logs.values() for event in log]
        report.events = len(events)
        report.statuses = Counter(
            log[-1].get("status", "live") for log in self._logs.values() if log
        )
        report.attempts = sum(event["type"] == "run.finished" for event in events)
        report.retries = Counter(event["what"] for event in events if event["type"] == "retry")
        report.replies_counted = sum(event["type"] == "usage" for event in events)
        report.model_calls, report.model_faults = self._claude.calls, self._claude.faults
        report.forge_calls = self._forge.calls_made
        report.forge_faults = self._forge.faults.total()


async def soak(plan: Plan, folder: Path) -> Report:
    """Carry a plan out in a new folder that the sandbox's user can pass."""
    return await Soak(plan, folder).run()


async def _open_files(server: ServerProcess) -> int:
    return int((await server.gauges())["process_open_fds"])


def _growth(series: list[float]) -> float:
    """The last quarter against the second: the first is still warming up."""
    quarter = len(series) // 4
    return statistics.mean(series[-quarter:]) / statistics.mean(series[quarter : 2 * quarter])
