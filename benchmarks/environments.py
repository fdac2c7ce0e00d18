"""Environments of a folder of repositories, made without a model: does the main check run?

usage: python -m benchmarks.environments FOLDER --data DIR [--only NAME ...] [--out FILE]

A row for each repository: seconds of set-up and of its main check on the untouched base, how the
check ended, what was left out and why. Nothing of a repository is configured.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from graph import Check, Environment, PreparationRequest, unheard
from graph.errors import CodingAgentError
from wiring import Machine, Settings

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


async def measure(machine: Machine, path: Path) -> Row:
    """Make the environment of a checkout, and run its main check once."""
    row = Row(path.name)
    run_id = f"bench-{path.name.lower().replace('.', '-')}-{int(time.time())}"
    services = machine.services
    try:
        await services.workspaces.open(run_id)
        base = await services.repositories.prepare(run_id, str(path), None, unheard)
        found = await services.checks.find(run_id, base, (), only=False)
        deadline = time.time() + DEADLINE_S
        wanted = PreparationRequest(run_id, base, (), (), deadline)
        began = time.monotonic()
        environment = await services.preparation.environment(wanted)
        row.set_up_s = round(time.monotonic() - began, 1)
        row.left_out = [f"{part.what}: {part.why[-300:]}" for part in environment.left_out]
        await _run_main(machine, run_id, base, environment, list(found.checks), deadline, row)
    except CodingAgentError as error:
        row.ended = f"{error.code}: {error.message[-600:]}"
    finally:
        await services.close_run(run_id)
    return row


async def _run_main(
    machine: Machine,
    run_id: str,
    base: Any,
    environment: Environment,
    checks: list[Check],
    deadline: float,
    row: Row,
) -> None:
    main = next((check for check in checks if check.kind == "test"), None)
    if main is None:
        row.ended = "no test command found"
        return
    row.check = f"{main.folder}: {main.command}" if main.folder else main.command
    began = time.monotonic()
    result = await machine.services.checks.baseline(run_id, base, environment, (main,), deadline)
    row.check_s = round(time.monotonic() - began, 1)
    if not result.commands:
        row.ended = result.status
        return
    (report,) = result.commands
    row.ended, row.exit_code = report.status, report.exit_code
    row.failures = list(result.new_failures or result.known_failures)[:40]
    row.output = report.output[-1500:]
    row.counts = " ".join(_summary(report.output))


def _summary(output: str) -> Iterator[str]:
    """The line that counts, as runners print it."""
    marks = (" passed", " failed", "passing", "failing", "Tests:", "Ran ", "# pass", "# fail")
    lines = [line.strip() for line in output.splitlines() if any(mark in line for mark in marks)]
    yield from lines[-2:]


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    given = parser.parse_args()
    settings = Settings(data_dir=given.data, setup_hosts=("auto",), command_timeout_s=900)
    paths = [path for path in sorted(given.folder.iterdir()) if (path / ".git").exists()]
    async with Machine(settings) as machine:
        for path in paths:
            if given.only and path.name not in given.only:
                continue
            row = await measure(machine, path.resolve())
            print(  # one line each, as it ends
                f"{row.name:32} {row.set_up_s:7.1f} {row.check_s:7.1f}  {row.ended[:60]:20}"
                f" {row.exit_code} {row.counts[:80]}  [{row.check}]  left out: {len(row.left_out)}",
                flush=True,
            )
            if given.out:
                with given.out.open("a", encoding="utf-8") as out:
                    out.write(json.dumps(asdict(row)) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
