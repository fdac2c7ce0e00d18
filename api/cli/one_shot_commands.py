"""The commands that ask once and print the answer."""

import json as json_format
import sys
from collections.abc import Sequence

from api.cli.run_ids import full_id
from api.client.newest_runs import newest_runs
from api.client.runs_protocol import Runs
from api.terminal.display.choose_display import console_for
from api.terminal.display.print_lines import print_lines
from api.terminal.report.diff_pager import print_diff
from api.terminal.report.run_report import report_lines
from api.terminal.report.run_table import print_runs
from api.terminal.text.safe_text import clean_line


async def list_runs(
    runs: Runs, *, status: str | None, repo: str | None, limit: int, json: bool
) -> int:
    found = await newest_runs(runs, status=status, repo=repo, limit=limit)
    if json:
        _print_json({"runs": found})
    elif found:
        print_runs(found, console_for())
    else:
        _say("No runs.")
    return 0


async def show_run(runs: Runs, run_id: str, *, json: bool) -> int:
    view = await runs.view(await full_id(runs, run_id))
    if json:
        _print_json(view)
        return 0
    print_lines(report_lines(view))
    return 0


async def print_run_diff(runs: Runs, run_id: str) -> int:
    diff = await runs.diff(await full_id(runs, run_id))
    if diff:
        print_diff(diff, console_for())
    else:
        sys.stderr.write("There is no change yet.\n")
    return 0


async def cancel_run(runs: Runs, run_id: str) -> int:
    run_id = await full_id(runs, run_id)
    await runs.cancel(run_id)
    return _say(f"Run {run_id} is being cancelled.")


async def send_message(runs: Runs, run_id: str, text: str) -> int:
    run_id = await full_id(runs, run_id)
    await runs.message(run_id, text)
    return _say(f"Sent. Run {run_id} reads it at its next turn.")


async def remove_runs(runs: Runs, run_ids: Sequence[str]) -> int:
    """Remove each; an id that fits no run, or several, removes none."""
    for run_id in [await full_id(runs, each) for each in run_ids]:
        await runs.delete(run_id)
        _say(f"Removed run {run_id}.")
    return 0


def _say(text: str) -> int:
    sys.stdout.write(clean_line(text) + "\n")
    return 0


def _print_json(value: object) -> None:
    sys.stdout.write(json_format.dumps(value, indent=2) + "\n")
