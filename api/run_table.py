"""Runs as a table: one a line, newest first."""

import time
from typing import Any, Final

from rich.console import Console
from rich.style import Style
from rich.text import Text

from api.fields import Fields
from api.figures import age, seconds_of

_COLOURS: Final = {
    "succeeded": "green",
    "no_changes": "green",
    "failed": "red",
    "blocked": "red",
    "interrupted": "red",
    "queued": "cyan",
    "running": "cyan",
}
_HEAD: Final = Style(dim=True)


def print_runs(runs: list[dict[str, Any]], console: Console) -> None:
    """On a terminal a line is cut at its edge, elsewhere it is whole."""
    rows = [_row(Fields(run)) for run in runs]
    head = ("RUN", "STATUS", "AGE", "REPOSITORY", "REQUEST")
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(4)]
    widths[3] = min(widths[3], 24)
    for row in [head, *rows]:
        line = Text(no_wrap=True, overflow="ellipsis")
        for column, cell in enumerate(row):
            text = Text(cell, style=_HEAD if row is head else _style(column, cell))
            if column < 4:
                text.truncate(widths[column], overflow="ellipsis", pad=True)
                text.append("  ")
            line.append_text(text)
        if console.is_terminal:
            line.truncate(console.width, overflow="ellipsis")
        console.print(line, soft_wrap=True)


def _row(run: Fields) -> tuple[str, ...]:
    created = seconds_of(run.line("createdAt"))
    status, node = run.line("status"), run.line("node")
    return (
        run.line("runId"),
        f"{status}: {node}" if status == "running" and node else status,
        "" if created is None else age(time.time() - created),
        "/".join(run.line("repoUrl").rstrip("/").removesuffix(".git").split("/")[-2:]),
        run.line("prompt"),
    )


def _style(column: int, cell: str) -> Style:
    if column != 1:
        return Style(dim=column == 2)
    return Style(color=_COLOURS.get(cell.partition(":")[0], "yellow"))
