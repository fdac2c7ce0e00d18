"""`environment`: what set-up and checks do on repositories, tried without a run."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from api.cli.environment.trial_progress import TrialProgress
from api.cli.repo_argument import RepoArgument, resolve_repo
from api.exit_codes import FAILED
from api.terminal.display.choose_display import console_for
from api.terminal.display.environment_lines import baseline_lines, environment_lines, last_line
from api.terminal.display.print_lines import print_lines
from api.terminal.display.result_lines import error_lines
from api.terminal.report.table import print_table
from api.terminal.text.human_units import duration, money
from api.terminal.text.safe_text import clean_line
from api.terminal.text.styled_line import Line
from api.terminal.text.untrusted_fields import Fields
from graph.errors import CodingAgentError

if TYPE_CHECKING:
    from wiring import EnvironmentTrial, Machine, Settings

OWN_SETTINGS: Final = ".coding-agent.toml"
_HEAD: Final = ("REPOSITORY", "SET-UP", "MAIN CHECK", "ENDED", "TOOK", "WHY NOT")


@dataclass(frozen=True)
class _Row:
    """What came of one repository; `runs`: its main check does."""

    cells: tuple[str, ...]
    runs: bool


async def try_environments(
    settings: "Settings", repos: list[str], *, write: bool, with_model: bool = False
) -> int:
    """Try each; 0 where the main check of every one runs."""
    from wiring import Machine

    arguments = _resolve(repos)
    if write and not all(argument.local for argument in arguments):
        raise typer.BadParameter("takes checkouts of this machine", param_hint="--write")
    async with Machine(settings) as machine:
        rows = [
            await _try_one(machine, argument, write=write, with_model=with_model)
            for argument in arguments
        ]
    if len(rows) > 1:
        sys.stdout.write("\n")
        print_table([_HEAD, *(row.cells for row in rows)], console_for())
    return 0 if all(row.runs for row in rows) else FAILED


async def forget_environments(settings: "Settings", repos: list[str]) -> int:
    from wiring import Machine, forget_environment

    async with Machine(settings) as machine:
        for argument in _resolve(repos):
            known = await forget_environment(machine, argument.address)
            said = "forgotten" if known else "nothing is known of it"
            sys.stdout.write(clean_line(f"{argument.address}: {said}") + "\n")
    return 0


def _resolve(repos: list[str]) -> list[RepoArgument]:
    try:
        return [resolve_repo(repo) for repo in repos]
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="REPO") from None


async def _try_one(
    machine: "Machine", argument: RepoArgument, *, write: bool, with_model: bool
) -> _Row:
    """Try one and print what came of it; an error is its result."""
    from wiring import try_environment

    name = "/".join(argument.address.rstrip("/").removesuffix(".git").split("/")[-2:])
    print_lines([Line(argument.address, tone="strong")])
    begun, progress = time.monotonic(), TrialProgress(print_lines)

    def show(event: Any) -> None:
        """What becomes known meanwhile, as a run shows it."""
        if lines := _LINES.get(event.type):
            print_lines(lines(Fields(event.data())))
        progress.hear(event.type)

    try:
        async with progress.shown():
            trial = await try_environment(
                machine, argument.address, show, progress.know, with_model=with_model
            )
    except CodingAgentError as error:
        print_lines(
            error_lines(
                Fields({"message": error.message, "hint": error.hint, "code": error.code}), indent=2
            )
        )
        took = duration(time.monotonic() - begun)
        return _Row((name, "failed", "", "", took, clean_line(error.message)), runs=False)
    main, took = trial.main, duration(trial.seconds)
    ended = main.status if main else "none"
    why = "" if trial.runs else _reason(trial)
    print_lines([Line(note, indent=2, mark="warn") for note in map(clean_line, trial.notes)])
    print_lines([_verdict(trial, why, took)])
    if trial.spend.turns:
        print_lines([Line("The model was asked.", indent=2, right=money(trial.spend.cost_usd))])
    if write:
        print_lines([Line(_write(Path(argument.address), trial), indent=2)])
    ready = "kept" if trial.environment.kept else _set_up_took(trial)
    command = main.shell if main else "none was found"
    return _Row((name, ready, clean_line(command), ended, took, why), runs=trial.runs)


def _verdict(trial: "EnvironmentTrial", why: str, took: str) -> Line:
    if not trial.runs:
        return Line(f"The main check does not run: {why}", indent=2, mark="bad", right=took)
    if trial.main and trial.main.lacking:
        said = f"The main check runs, and says: {clean_line(trial.main.lacking)}"
        return Line(said, indent=2, mark="warn", right=took)
    return Line("The main check runs.", indent=2, mark="good", right=took)


def _set_up_took(trial: "EnvironmentTrial") -> str:
    took = sum(made.duration_ms for made in trial.environment.commands) / 1000
    return duration(took) if took else "made"


def _reason(trial: "EnvironmentTrial") -> str:
    """Why the main check does not run, on one line."""
    if trial.main is None:
        return "no test command was found" if not trial.checks else "its end is not known"
    if trial.main.status == "stopped":
        return f"it was stopped after {duration(trial.main.duration_ms / 1000)}"
    if trial.main.lacking:
        return clean_line(trial.main.lacking)
    last = last_line(trial.main.output) or "it could not be started"
    return last if trial.main.loaded else f"no test came to its end: {last}"


_LINES: Final[dict[str, Callable[[Fields], list[Line]]]] = {
    "environment.ready": environment_lines,
    "baseline.finished": baseline_lines,
    "tool.started": lambda call: [
        Line(f"model $ {call.inner('input').line('command')}", indent=4, tone="dim", wrap=False)
    ],
}


def _write(checkout: Path, trial: "EnvironmentTrial") -> str:
    """Write what was found, where no such file is; in words what came of it."""
    file = checkout / OWN_SETTINGS
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(trial.settings)
    except FileExistsError:
        return f"{OWN_SETTINGS} is there already, and was left as it is."
    return f"Wrote {OWN_SETTINGS}. It is used once it is committed."
