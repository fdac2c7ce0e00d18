"""The two that do the work, each a process of its own: this product, and mini-swe-agent."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.environments import MINI, ROOT, program_of
from benchmarks.roles.counting_claude import MODEL, Asked, CountingClaude
from benchmarks.roles.scripted_model import RolesModel, SingleLoopModel
from benchmarks.roles.tasks import TEST, BenchTask, make_repository
from demo.script.asking_role import find_role


@dataclass(frozen=True)
class Measured:
    """One whole process: what it asked, and seconds from start to end."""

    asked: tuple[Asked, ...]
    seconds: float

    def requests(self, *roles: str) -> int:
        return sum(not roles or each.role in roles for each in self.asked)

    def cost(self, *, without: str = "") -> float:
        return sum(each.cost_usd for each in self.asked if each.role != without)

    @property
    def input_tokens(self) -> int:
        return sum(each.usage.tokens - each.usage.output_tokens for each in self.asked)

    @property
    def output_tokens(self) -> int:
        return sum(each.usage.output_tokens for each in self.asked)

    @property
    def read_share(self) -> float:
        """Of the input, what the cache served."""
        read = sum(each.usage.cache_read_input_tokens for each in self.asked)
        return read / self.input_tokens if self.input_tokens else 0.0


async def run_product(task: BenchTask, folder: Path, *, beside: bool) -> Measured:
    """`coding-agent run` on a checkout. The data folder stays, as on a machine in use."""
    model = RolesModel(task, beside=beside)
    repository = folder / "product"
    await asyncio.to_thread(make_repository, repository, task)
    async with CountingClaude(model.reply, find_role) as claude:
        environment = {
            "CODING_AGENT_DATA_DIR": str(folder.parent / "data"),
            "CODING_AGENT_SETUP_HOSTS": "none",
            "CODING_AGENT_MAX_COST_USD": "100",
            "ANTHROPIC_BASE_URL": claude.base_url,
            "PYTHONPATH": str(ROOT),
        }
        program = (sys.executable, "-m", "coding_agent")
        words = (*program, "run", task.prompt, "--repo", str(repository), "--quiet")
        seconds = await _run(words, environment, folder)
    branch = _git(repository, "for-each-ref", "--format=%(refname)", "refs/heads/agent")
    _check_work(repository, branch.strip(), task)
    return Measured(tuple(claude.asked), seconds)


async def run_mini(task: BenchTask, folder: Path, *, together: bool) -> Measured:
    """`mini` in a checkout, as its own configuration has it for Claude: with the cache on."""
    model = SingleLoopModel(task, together=together)
    repository = folder / "mini"
    await asyncio.to_thread(make_repository, repository, task)
    async with CountingClaude(model.reply, lambda _: None) as claude:
        environment = {
            "ANTHROPIC_API_BASE": claude.base_url,
            "MSWEA_CONFIGURED": "true",
            "MSWEA_SILENT_STARTUP": "1",
            "MSWEA_GLOBAL_CONFIG_DIR": str(folder),
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        }
        words = (
            *(program_of(MINI, "mini"), "-m", f"anthropic/{MODEL}", "-t", task.prompt),
            *("-y", "--exit-immediately", "-l", "0", "-o", str(folder / "mini.json")),
            *("-c", "mini.yaml", "-c", "model.cost_tracking=ignore_errors"),
        )
        seconds = await _run(words, environment, repository)
    _check_work(repository, "", task)
    return Measured(tuple(claude.asked), seconds)


async def _run(words: tuple[str, ...], environment: Mapping[str, str], folder: Path) -> float:
    """Seconds from start to end. Raises SystemExit with what it said where it failed."""
    common = {"PATH": os.environ["PATH"], "HOME": str(folder), "ANTHROPIC_API_KEY": "benchmark-key"}
    begun = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *words,
        cwd=folder,
        env={**common, **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"{words[0]} failed:\n{out.decode()[-3000:]}")
    return time.perf_counter() - begun


def _check_work(repository: Path, ref: str, task: BenchTask) -> None:
    """The work must be done, and hold, or its figures say nothing."""
    if ref:
        _git(repository, "checkout", "-q", ref)
    done = (repository / "library" / "part_0.py").read_text()
    goal = len(task.reviews) if ref else 1
    if f"\nGOAL = {goal}\n" not in done:
        raise SystemExit(f"{task.name}: the work is not done")
    subprocess.run(TEST.split(), cwd=repository, check=True, capture_output=True)


def _git(repository: Path, *words: str) -> str:
    line = ["git", "-C", str(repository), *words]
    return subprocess.run(line, check=True, capture_output=True, text=True).stdout
