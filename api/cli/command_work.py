"""What commands are made of. What they need is imported when they run: help comes at once."""

import os
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from api.exit_codes import USAGE

if TYPE_CHECKING:
    from api.cli.watched_run import WatchedRun
    from api.client.runs_protocol import Runs
    from wiring import Settings


def watch_run(
    settings: "Settings",
    act: "Callable[[WatchedRun], Awaitable[int]]",
    *,
    json: bool = False,
    quiet: bool = False,
) -> NoReturn:
    """Stay in front of a run until it ends."""
    from api.cli.open_runs import open_runs
    from api.cli.watched_run import WatchedRun
    from api.terminal.display.choose_display import choose_display

    if json and quiet:
        raise typer.BadParameter("goes without --json", param_hint="--quiet")
    display = choose_display(json=json, quiet=quiet)
    asks = not json and not quiet and sys.stdin.isatty() and sys.stdout.isatty()
    asks = asks and os.name == "posix"  # elsewhere no event loop hears the keys of a terminal
    suffix = f" --server {settings.server}" if settings.server else ""

    async def work() -> int:
        with display:
            async with open_runs(settings, display.note) as runs:
                return await act(WatchedRun(runs, display, suffix=suffix, asks=asks))

    finish(work())


def call_runs(server: str | None, act: "Callable[[Runs], Awaitable[int]]") -> NoReturn:
    """Call the runs once."""
    from api.cli.open_runs import open_runs

    settings = load_settings(server)

    async def work() -> int:
        async with open_runs(settings) as runs:
            return await act(runs)

    finish(work())


def raise_limits(
    settings: "Settings",
    max_cost: float | None,
    max_fix_rounds: int | None,
    timeout: int | None,
) -> "Settings":
    """The settings of a run of this machine: its caller is the operator, and may ask for more."""
    if settings.server:
        return settings
    asked = {
        "max_cost_usd": max_cost if settings.max_cost_usd else None,
        "max_fix_rounds": max_fix_rounds,
        "run_timeout_s": timeout,
    }
    raised = {
        name: value
        for name, value in asked.items()
        if value is not None and value > getattr(settings, name)
    }
    return settings.model_copy(update=raised)


def finish(work: "Coroutine[Any, Any, int]") -> NoReturn:
    """Do the work and leave with its exit code."""
    from api.cli import exit_handling

    exit_handling.finish(work)


def refuse(error: Exception) -> NoReturn:
    """Leave as after wrong usage."""
    from api.cli.exit_handling import fail

    fail(str(error), code=USAGE)


def load_settings(server: str | None) -> "Settings":
    """The settings; `server` wins over CODING_AGENT_SERVER, and is this machine where empty."""
    from pydantic import TypeAdapter, ValidationError

    import wiring
    from graph import describe_faults
    from wiring import GuardedAddress, SettingsError

    try:
        settings = wiring.load_settings()
    except SettingsError as error:
        refuse(error)
    if server is None:
        return settings
    try:
        address = TypeAdapter(GuardedAddress).validate_python(server) if server else None
    except ValidationError as error:
        raise typer.BadParameter(describe_faults(error)[0], param_hint="--server") from None
    return settings.model_copy(update={"server": address})
