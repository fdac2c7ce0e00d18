"""Runs as a table: one a line, newest first."""

import time
from typing import Any, Final

from rich.console import Console
from rich.style import Style
from rich.text import Text

from api.terminal.report.table import table_texts
from api.terminal.text.human_units import age, money, seconds_of
from api.terminal.text.safe_text import clean_line
from api.terminal.text.untrusted_fields import Fields

_COLOURS: Final = {
    "succeeded": "green",
    "no_changes": "green",
    "failed": "red",
    "blocked": "red",
    "interrupted": "red",
    "abandoned": "red",
    "queued": "cyan",
    "running": "cyan",
}
_HEAD: Final = ("RUN", "STATUS", "AGE", "COST", "REPOSITORY", "REQUEST")
_REPOSITORY: Final = 4
_WIDE: Final = 110
_DIM: Final = Style(dim=True)


def print_runs(runs: list[dict[str, Any]], console: Console) -> None:
    """On a terminal a line is cut at its edge, and without the repository where it is narrow."""
    for line in run_texts(runs, console):
        console.print(line, soft_wrap=True)


def run_texts(runs: list[dict[str, Any]], console: Console, *, head: bool = True) -> list[Text]:
    """The lines of the table, with or without its head."""
    rows = [_HEAD, *(_row(Fields(run)) for run in runs)]
    if console.is_terminal and console.width < _WIDE:
        rows = [(*row[:_REPOSITORY], *row[_REPOSITORY + 1 :]) for row in rows]
    return table_texts(rows, console, _style)[0 if head else 1 :]


def _row(run: Fields) -> tuple[str, ...]:
    created = seconds_of(run.line("createdAt"))
    status, node = run.line("status"), run.line("node")
    repository = run.line("repoUrl").rstrip("/").removesuffix(".git").split("/")[-2:]
    return (
        run.line("runId"),
        "abandoned" if run.flag("abandoned") else _at_a_node(status, node),
        "" if created is None else age(time.time() - created),
        _cost(run),
        "/".join(repository),
        clean_line((run.text("prompt").strip().splitlines() or [""])[0]),
    )


def _cost(run: Fields) -> str:
    """Empty where a server does not tell it."""
    known = run.has("costUsd") or "costUsd" in run.names()
    return money(run.number("costUsd")) if known else ""


def _at_a_node(status: str, node: str) -> str:
    return f"{status}: {node}" if status == "running" and node else status


def _style(column: int, cell: str) -> Style:
    if column != 1:
        return _DIM if column in (2, 3) else Style()
    return Style(color=_COLOURS.get(cell.partition(":")[0], "yellow"))
