"""What is told of a trial while it runs."""

import asyncio

from api.cli.environment.trial_progress import TrialProgress
from api.terminal.text.styled_line import Line


async def test_what_runs_is_told_now_and_then_until_it_ended() -> None:
    shown: list[Line] = []
    told = asyncio.Event()

    def show(lines: list[Line]) -> None:
        shown.extend(lines)
        told.set()

    async def next_line() -> str:
        told.clear()
        await told.wait()
        return shown[-1].text

    progress = TrialProgress(show, every_s=0.01)
    async with progress.shown():
        progress.know(["pytest -q", "ruff check .", "mypy", "make lint"])
        assert await next_line() == "still  set-up"
        assert shown[-1].right
        progress.hear("environment.ready")
        assert shown[-1].text == "runs  pytest -q; ruff check .; mypy; 1 more"
        assert await next_line() == "still  pytest -q; ruff check .; mypy; 1 more"
        progress.hear("baseline.finished")
        told_by_then = len(shown)
        await asyncio.sleep(0.05)
        assert len(shown) == told_by_then


async def test_without_checks_nothing_is_said_to_run() -> None:
    shown: list[Line] = []
    progress = TrialProgress(shown.extend)
    progress.know([])
    progress.hear("environment.ready")
    assert shown == []
