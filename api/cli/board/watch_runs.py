"""`runs --watch`: all runs at once, live."""

import asyncio
from contextlib import aclosing, suppress
from typing import Final

from api.client.runs_protocol import REMOVED, Runs
from api.terminal.board.run_board import RunBoard, choose_board
from api.terminal.board.run_rows import RunRows

_TICK_S: Final = 1.0


async def watch_runs(
    runs: Runs, *, status: str | None, repo: str | None, limit: int, json: bool
) -> int:
    """Show the newest runs, then each change, until somebody leaves."""
    rows = RunRows(status=status, repo=repo)
    with choose_board(rows, limit, as_json=json) as board:

        async def list_all() -> None:
            """Once changes are heard, so that none is missed."""
            page, _ = await runs.list(status=status, repo=repo, limit=limit)
            for row in reversed(page):
                rows.put(row)
                board.show(row, rings=False)
            board.draw()

        ticking = asyncio.create_task(_tick(board))
        try:
            async with aclosing(runs.changes(list_all, board.note)) as changes:
                async for row in changes:
                    if row.get("status") == REMOVED:
                        rows.remove(str(row.get("runId")))
                    waits = rows.put(row)
                    board.show(row, rings=waits)
        finally:
            ticking.cancel()
            with suppress(asyncio.CancelledError):
                await ticking
    return 0


async def _tick(board: RunBoard) -> None:
    """Ages grow while nothing happens."""
    while True:
        await asyncio.sleep(_TICK_S)
        board.draw()
