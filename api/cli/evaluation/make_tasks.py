"""Tasks of merged pull requests, told a line each."""

import asyncio
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from api.exit_codes import FAILED
from api.terminal.display.print_lines import print_lines
from api.terminal.text.human_units import plural
from api.terminal.text.safe_text import clean_line
from api.terminal.text.styled_line import Line
from graph.errors import InvalidRequest

if TYPE_CHECKING:
    from wiring import Settings

_DAYS: Final = re.compile(r"(\d{1,5})d")
_DAY_S: Final = 24 * 3600


async def make_tasks(settings: "Settings", repo: str, since: str, file: Path) -> int:
    """Write those that hold into the new file; 1 where there is none."""
    from wiring import Machine, TaskMiner, start_log

    begin = _time_of(since)
    if await asyncio.to_thread(file.exists):
        raise InvalidRequest(f"{file} is there already.", "Name another file.", field="tasks")
    start_log(settings, "warning")
    count = 0
    async with Machine(settings, setup_turns=False) as machine:
        with file.open("x", encoding="utf-8") as opened:
            async for pull in TaskMiner(machine, repo).mine(begin):
                said = f"#{pull.number}  {pull.title}"
                if pull.task is None:
                    print_lines([Line(clean_line(f"{said}: {pull.why_not}"), tone="dim")])
                    continue
                opened.write(pull.task.model_dump_json(by_alias=True) + "\n")
                opened.flush()
                count += 1
                print_lines([Line(clean_line(said), mark="good")])
    print_lines([Line(clean_line(f"{plural(count, 'task')} in {file}"), tone="strong")])
    return 0 if count else FAILED


def _time_of(since: str) -> float:
    """Unix seconds of `90d` or of a date. Raises typer.BadParameter."""
    if found := _DAYS.fullmatch(since):
        return time.time() - int(found[1]) * _DAY_S
    try:
        return datetime.strptime(since, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
    except ValueError:
        said = f"{since!r} is neither days, such as 90d, nor a date, such as 2026-01-31"
        raise typer.BadParameter(said, param_hint="--since") from None
