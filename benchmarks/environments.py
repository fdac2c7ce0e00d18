"""Environments of a folder of repositories: does the main check run?

usage: python -m benchmarks.environments FOLDER --data DIR [--only NAME ...] [--out FILE]
           [--replay FILE]

A row for each repository: seconds of set-up and of its main check on the untouched base, how the
check ended, what was left out and why. Nothing of a repository is configured. No model is asked.

With `--replay` the set-up turn is taken where rules do not suffice, and a replay plays the model:
FILE is a JSON object of repositories by name, each `{"tries": [COMMAND, ...], "commands":
[{"folder": "", "command": "..."}, ...], "reason": "..."}`: what it runs in its tree, then what
it answers.
"""

import argparse
import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from graph import (
    CommandReport,
    PreparationRequest,
    SetupTurn,
    Spend,
    unheard,
)
from graph.errors import CodingAgentError
from tests.standins.claude import answer, calls
from tests.standins.messages_api.scripted_reply import ScriptedReply
from tests.standins.messages_api.server import MessagesServer, Request
from wiring import Machine, Settings

KEY = "sk-ant-for-replays-only-0123456789"
DEADLINE_S = 1800


@dataclass
class Row:
    """What came of one repository. `ended` is the status of the main check, or why it has none."""

    name: str
    set_up_s: float = 0.0
    check_s: float = 0.0
    check: str = ""
    ended: str = ""
    exit_code: int | None = None
    counts: str = ""
    failures: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    output: str = ""
    found: list[str] = field(default_factory=list)
    """Commands of a set-up turn that counted."""
    turns: int = 0
    """Replies of the model in it."""


class Replay:
    """A model that says of each repository what a file has of it; `name` is the one at hand."""

    def __init__(self, turns: Mapping[str, Any]) -> None:
        self._turns = turns
        self.name = ""

    async def __call__(self, request: Request) -> ScriptedReply:
        turn = self._turns.get(self.name, {})
        replies = sum(message["role"] == "assistant" for message in request["messages"])
        tries = turn.get("tries", [])
        if replies < len(tries):
            return calls(tries[replies])
        commands = turn.get("commands", [])
        reason = turn.get("reason", "The replay has nothing of it.")
        return answer(commands=commands, reason=reason)


@asynccontextmanager
async def replayed(settings: Settings, replay: Replay) -> AsyncIterator[Settings]:
    """The settings, with the replay in Claude's place."""
    async with MessagesServer(replay, key=KEY) as server:
        given = {"anthropic_api_key": SecretStr(KEY), "anthropic_base_url": server.base_url}
        yield settings.model_copy(update=given)


async def measure(machine: Machine, path: Path, *, with_model: bool = False) -> Row:
    """Make the environment of a checkout, and run its main check once."""
    row = Row(path.name)
    run_id = f"bench-{path.name.lower().replace('.', '-')}-{int(time.time())}"
    services = machine.services
    try:
        await services.workspaces.open(run_id)
        base = await services.repositories.prepare(run_id, str(path), None, unheard)
        found = await services.checks.find(run_id, base, (), only=False)
        deadline = time.time() + DEADLINE_S
        main = PreparationRequest(run_id, base, (), found.checks, deadline).main
        wanted = PreparationRequest(run_id, base, (), (main,) if main else (), deadline)
        began = time.monotonic()
        await services.preparation.environment(wanted)
        row.set_up_s = round(time.monotonic() - began, 1)
        if main is None:
            row.ended = "no test command found"
        else:
            row.check = f"{main.folder}: {main.command}" if main.folder else main.command
            await _run_main(machine, wanted, row, with_model=with_model)
        environment = await services.preparation.environment(wanted)
        row.left_out = [f"{part.what}: {part.why[-300:]}" for part in environment.left_out]
        row.found = [command.shell for command in environment.recipe]
    except CodingAgentError as error:
        row.ended = f"{error.code}: {error.message[-600:]}"
    finally:
        await services.close_run(run_id)
    return row


async def _run_main(
    machine: Machine, wanted: PreparationRequest, row: Row, *, with_model: bool
) -> None:
    preparation = machine.services.preparation
    result = await preparation.baseline(wanted)
    if with_model and (spend := await _take_turn(machine, wanted)):
        row.turns = spend.turns
        result = await preparation.baseline(wanted)
    if result is None or not result.commands:
        row.ended = result.status if result else "its end is not known"
        return
    (report,) = result.commands
    _tell(report, row)
    row.failures = list(result.new_failures or result.known_failures)[:40]


async def _take_turn(machine: Machine, wanted: PreparationRequest) -> Spend | None:
    turn = SetupTurn(machine.services)
    if (lack := await turn.find_lack(wanted)) is None:
        return None
    return (await turn.take(wanted, lack, unheard, limits=machine.configuration.limits)).spend


def _tell(report: CommandReport, row: Row) -> None:
    row.check_s = round(report.duration_ms / 1000, 1)
    limit = f" by {report.limit}" if report.limit else ""
    row.ended, row.exit_code = f"{report.status}{limit}", report.exit_code
    row.output = report.output[-1500:]
    row.counts = " ".join(_summary(report.output))


def _summary(output: str) -> Iterator[str]:
    """The line that counts, as runners print it."""
    marks = (
        " passed",
        " failed",
        "passing",
        "failing",
        "Tests:",
        "Tests run:",
        "Ran ",
        "# pass",
        "# fail",
    )
    lines = [line.strip() for line in output.splitlines() if any(mark in line for mark in marks)]
    yield from lines[-2:]


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--replay", type=Path)
    given = parser.parse_args()
    settings = Settings(data_dir=given.data, setup_hosts=("auto",), command_timeout_s=900)
    paths = [path for path in sorted(given.folder.iterdir()) if (path / ".git").exists()]
    replay = Replay(json.loads(given.replay.read_text("utf-8")) if given.replay else {})
    async with replayed(settings, replay) as whole, Machine(whole) as machine:
        for path in paths:
            if given.only and path.name not in given.only:
                continue
            replay.name = path.name
            row = await measure(machine, path.resolve(), with_model=given.replay is not None)
            print(  # one line each, as it ends
                f"{row.name:32} {row.set_up_s:7.1f} {row.check_s:7.1f}  {row.ended[:60]:20}"
                f" {row.exit_code} {row.counts[:80]}  [{row.check}]  left out: {len(row.left_out)}"
                f"  turn: {row.turns} replies, {len(row.found)} commands",
                flush=True,
            )
            if given.out:
                with given.out.open("a", encoding="utf-8") as out:
                    out.write(json.dumps(asdict(row)) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
