"""`runs --watch`: all runs at once, live."""

from contextlib import aclosing
from typing import Final

from api.client.newest_runs import newest_runs
from api.client.runs_protocol import Runs
from api.terminal.board.run_board import choose_board
from api.terminal.board.run_rows import RunRows
from api.terminal.display.ticking import ticking

_TICK_S: Final = 1.0
"""Ages grow while nothing happens."""


async def watch_runs(
    runs: Runs, *, status: str | None, repo: str | None, limit: int, json: bool
) -> int:
    """Show the newest runs, then each change, until somebody leaves."""
    rows = RunRows(status=status, repo=repo)
    with choose_board(rows, limit, as_json=json) as board:

        async def list_all() -> None:
            """Once changes are heard, so that none is missed."""
            newest = await newest_runs(runs, status=status, repo=repo, limit=limit)
            for row in reversed(newest):
                rows.put(row)
                board.show(row, rings=False)
            board.draw()

        changes = runs.changes(list_all, board.note)
        async with ticking(board.draw, _TICK_S), aclosing(changes):
            async for row in changes:
                effect = rows.put(row)
                if effect != "none":
                    board.show(row, rings=effect == "waits")
    return 0
