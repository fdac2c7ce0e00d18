"""What a warm run takes of itself: on a small repository and on one of 20,000 files.

usage: python -m benchmarks.roles.own_time [rounds]

The model answers at once, and the time of the project's own checks is taken off. An edit is on
screen once `coding-agent run --json` has printed its event.
"""

import asyncio
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.peers.environments import ROOT
from benchmarks.roles.counting_claude import CountingClaude
from benchmarks.roles.scripted_model import RolesModel
from benchmarks.roles.tasks import TASKS, make_repository
from demo.script.asking_role import find_role
from demo.temporary_folder import temporary_folder
from tests.standins.messages_api.scripted_reply import ScriptedReply
from tests.standins.messages_api.server import Answer, Exchange

_EDITOR: Final = "str_replace_based_edit_tool"
_ROUNDS: Final = 3
_SIZES: Final = {"small": 80, "20,000 files": 20_000}


@dataclass
class _TimedClaude(CountingClaude):
    """Notes when the first reply with an edit had been sent."""

    model: RolesModel
    edited_at: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        super().__init__(self.model.reply, find_role)

    def _counted(self, reply: ScriptedReply, role: str) -> Answer:
        counted = super()._counted(reply, role)
        edits = any(block.get("name") == _EDITOR for block in reply.content)
        return _Noted(counted, self) if edits and not self.edited_at else counted


@dataclass(frozen=True)
class _Noted:
    answer: Answer
    claude: _TimedClaude

    async def send(self, exchange: Exchange) -> None:
        await self.answer.send(exchange)
        self.claude.edited_at = time.perf_counter()


@dataclass(frozen=True)
class OwnTime:
    """Seconds of one run without its checks, all seconds of the processor that it took, and from
    an edit's reply to its event on screen."""

    own_s: float
    processor_s: float
    edit_s: float


async def main(rounds: int) -> None:
    print("| repository | own time | of the processor | an edit on screen |\n|---|---|---|---|")
    with temporary_folder() as root:
        for name, others in _SIZES.items():
            folder = root / str(others)
            folder.mkdir(mode=0o755)
            task = TASKS[0]
            await asyncio.to_thread(make_repository, folder / "product", task, others)
            await measure(folder)  # the first is not warm
            found = [await measure(folder) for _ in range(rounds)]
            print(_row(name, found), flush=True)


def _row(name: str, found: Sequence[OwnTime]) -> str:
    columns = zip(*(astuple(each) for each in found), strict=True)
    cells = [f"{statistics.median(column):.2f} s" for column in columns]
    return f"| {name} | {' | '.join(cells)} |"


async def measure(folder: Path) -> OwnTime:
    """One run on the checkout in the folder, which has a data folder beside it."""
    task = TASKS[0]
    async with _TimedClaude(RolesModel(task, beside=True)) as claude:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "ANTHROPIC_API_KEY": "benchmark-key",
            "ANTHROPIC_BASE_URL": claude.base_url,
            "CODING_AGENT_DATA_DIR": str(folder / "data"),
            "CODING_AGENT_SETUP_HOSTS": "none",
            "PYTHONPATH": str(ROOT),
        }
        words = ("run", task.prompt, "--repo", str(folder / "product"), "--json")
        begun, before, checks_s, edit_s = time.perf_counter(), _processor_s(), 0.0, 0.0
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "coding_agent", *words),
            cwd=folder,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 20,
        )
        assert process.stdout
        async for line in process.stdout:
            event = json.loads(line)
            if event["type"] == "tool.finished" and claude.edited_at and not edit_s:
                edit_s = time.perf_counter() - claude.edited_at
            if event["type"] == "validation.finished":
                checks_s += sum(each["durationMs"] for each in event["commands"]) / 1000
        code = await process.wait()
        if code:
            raise SystemExit(f"the run ended with {code}")
        own_s = time.perf_counter() - begun - checks_s
        return OwnTime(own_s, _processor_s() - before, edit_s)


def _processor_s() -> float:
    """What processes that have ended took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else _ROUNDS))
