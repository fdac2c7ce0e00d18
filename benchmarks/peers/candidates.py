"""Who runs the script, each as a process of its own on a repository of its own."""

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.peers.environments import DEEPAGENTS, MINI, ROOT, program_of
from benchmarks.script import PROMPT, commands, make_repository
from benchmarks.timed_claude import TimedClaude

_DEEPAGENTS_LOOP: Final = Path(__file__).with_name("deepagents_loop.py")
_OWN_SETTINGS: Final = ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "PYTHONPATH")


@dataclass(frozen=True)
class Place:
    """Where a candidate works: what it asks, its repository, its own folder for all its runs."""

    base_url: str
    repository: Path
    folder: Path


@dataclass(frozen=True)
class Call:
    """A command line, and what it needs in its environment."""

    words: tuple[str, ...]
    environment: dict[str, str]


@dataclass(frozen=True)
class Measured:
    """One process: seconds to its first request, ms between turns, MiB it held at most.

    `billed` are its input tokens as they are billed, `cached` the share read from the cache.
    """

    start_s: float
    gaps_ms: list[float]
    peak_mib: float
    billed: float
    cached: float


def product(place: Place) -> Call:
    words = (sys.executable, "-m", "coding_agent", "run", PROMPT, "--repo", str(place.repository))
    environment = {
        "CODING_AGENT_DATA_DIR": str(place.folder),
        "CODING_AGENT_MAX_COST_USD": "100",
        "ANTHROPIC_BASE_URL": place.base_url,
        "PYTHONPATH": str(ROOT),
    }
    return Call((*words, "--quiet"), environment)


def plain_loop(place: Place) -> Call:
    module = "benchmarks.peers.plain_loop"
    words = (sys.executable, "-m", module, place.base_url, str(place.repository))
    return Call(words, {"PYTHONPATH": str(ROOT)})


def mini_swe_agent(place: Place) -> Call:
    """By its own configuration, with the cache on and its own environment for bubblewrap."""
    words = (
        *(program_of(MINI, "mini"), "-m", "anthropic/claude-opus-5-5", "-t", PROMPT),
        *("-y", "--exit-immediately", "-l", "0", "-o", str(place.folder / "mini.json")),
        *("--environment-class", "bubblewrap", "-c", "mini.yaml"),
        *("-c", "model.cost_tracking=ignore_errors", "-c", f"environment.cwd={place.repository}"),
    )
    environment = {
        "ANTHROPIC_API_BASE": place.base_url,
        "MSWEA_CONFIGURED": "true",
        "MSWEA_SILENT_STARTUP": "1",
        "MSWEA_GLOBAL_CONFIG_DIR": str(place.folder),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    return Call(words, environment)


def deepagents(place: Place, loops: int = 1) -> Call:
    """Without a sandbox: it has none on one machine."""
    paths = (place.base_url, str(place.repository), str(place.folder))
    python = program_of(DEEPAGENTS, "python")
    return Call((python, str(_DEEPAGENTS_LOOP), *paths, PROMPT, str(loops)), {})


class Candidate:
    """One way to run the script. Its folder stays from run to run, as on a machine in use."""

    def __init__(self, root: Path, call: Callable[[Place], Call]) -> None:
        self.name = call.__name__.replace("_", " ")
        self._call = call
        self._repository, self.folder = root / "repository", root / "folder"
        self.folder.mkdir(mode=0o711, parents=True)

    async def measure(self, turns: int) -> Measured:
        """One run on a fresh repository. Raises SystemExit with what it said where it failed."""
        await asyncio.to_thread(self._make_repository)
        async with TimedClaude(turns) as claude:
            call = self._call(Place(claude.base_url, self._repository, self.folder))
            begun = time.perf_counter()
            peak_mib = await asyncio.to_thread(self._run, call)
            gaps = claude.gaps()
            if len(gaps) < turns - 1:
                raise SystemExit(f"{self.name} took {len(gaps) + 1} turns, not {turns}")
            return Measured(
                claude.turns[0].received - begun,
                gaps[: turns - 1],
                peak_mib,
                claude.billed_tokens(),
                claude.cache_share(),
            )

    def _make_repository(self) -> None:
        shutil.rmtree(self._repository, ignore_errors=True)
        make_repository(self._repository)
        self._repository.chmod(0o755)

    def _run(self, call: Call) -> float:
        """MiB that the process held at most; what it started does not count."""
        others = {name: text for name, text in os.environ.items() if name not in _OWN_SETTINGS}
        environment = {**others, "ANTHROPIC_API_KEY": "benchmark-key-benchmark", **call.environment}
        with (self.folder / "output.txt").open("w+") as output:
            process = subprocess.Popen(
                call.words,
                cwd=self._repository,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                output.seek(0)
                raise SystemExit(f"{self.name} failed:\n{output.read()[-3000:]}")
        return usage.ru_maxrss / 1024


def commands_ms(root: Path, turns: int) -> list[float]:
    """Each command's own time: bash alone, in a plain folder."""
    make_repository(root)
    times = []
    for command in commands(turns):
        begun = time.perf_counter()
        subprocess.run(["/bin/bash", "-c", command], cwd=root, capture_output=True, check=False)
        times.append((time.perf_counter() - begun) * 1000)
    return times
