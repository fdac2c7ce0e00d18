"""The options and arguments that commands take, each with its help."""

import math
import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from api.cli.completion import ShellName
from api.exit_codes import EXIT_CODES

STATUSES: Final = ("queued", "running", "waiting", *EXIT_CODES)


def _check_text(value: Any) -> Any:
    """Words of the command line are bytes; ours go on as text."""
    for text in value if isinstance(value, list) else [value]:
        try:
            str(text).encode()
        except UnicodeEncodeError:
            raise typer.BadParameter("is not UTF-8 text") from None
    return value


def _check_filled(value: Any) -> Any:
    """A variable of a shell may be unset: nothing is no name, and no command."""
    for text in value if isinstance(value, list) else [value]:
        if text is not None and not str(text).strip():
            raise typer.BadParameter("is empty")
    return _check_text(value)


def _check_address(value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"https?://[!-~]+", value):
        raise typer.BadParameter(f"{value!r} is no address; give https://…")
    return value


def _check_account(value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"[A-Za-z0-9_-]+", value):
        raise typer.BadParameter(f"{value!r} is no name of an organization")
    return value


def _check_said(value: str) -> str:
    """Nothing is no message."""
    if not str(_check_text(value)).strip():
        raise typer.BadParameter("is empty; say what the roles should know")
    return value


def _check_money(value: float | None) -> float | None:
    """0 would be no limit to the settings, and no money to a reader."""
    if value is not None and not 0 < value < math.inf:
        raise typer.BadParameter("takes an amount of US dollars above 0")
    return value


def _check_status(value: str | None) -> str | None:
    """A word that is no status would list nothing."""
    if value is not None and value not in STATUSES:
        raise typer.BadParameter(f"{value!r} is none of {', '.join(STATUSES)}")
    return value


def _shown(metavar: str, text: str) -> Any:
    """An option named like its parameter."""
    return typer.Option(metavar=metavar, help=text, show_default=False, callback=_check_filled)


def _argument(metavar: str, text: str) -> Any:
    return typer.Argument(metavar=metavar, help=text, show_default=False, callback=_check_text)


RunId = Annotated[str, _argument("RUN", "The run's id, or its first characters.")]
RunIds = Annotated[list[str], _argument("RUN", "Ids of runs, or their first characters.")]
Prompt = Annotated[str, _argument("PROMPT", "What should change; '-' reads standard input.")]
Text = Annotated[
    str,
    typer.Argument(
        metavar="TEXT", help="What the roles should know.", show_default=False, callback=_check_said
    ),
]
Repo = Annotated[str, _shown("REPO", "URL, OWNER/REPO, or a checkout's path [this folder].")]
Repos = Annotated[list[str], _argument("REPO", "URL, OWNER/REPO, or a checkout's path.")]
Write = Annotated[bool, typer.Option("--write", help="Write the result to .coding-agent.toml.")]
WithModel = Annotated[
    bool, typer.Option("--model", help="Let a model look for what is missing; this costs money.")
]
Forget = Annotated[
    bool, typer.Option("--forget", help="Forget what is kept of the repository's set-up.")
]
Base = Annotated[str | None, _shown("BRANCH", "Start from this branch.")]
Branch = Annotated[str | None, _shown("NAME", "Name of the new branch.")]
Uncommitted = Annotated[
    bool,
    typer.Option("--include-uncommitted", help="Include uncommitted changes of tracked files."),
]
PullRequest = Annotated[str | None, _shown("URL", "Continue this pull request.")]
After = Annotated[str | None, _shown("RUN", "Continue the pull request of this run.")]
ReviewOnly = Annotated[
    bool, typer.Option("--review-only", help="Review the pull request; push nothing.")
]
Setup = Annotated[
    list[str] | None, _shown("CMD", "Command that makes the repository ready; repeatable.")
]
Validate = Annotated[list[str] | None, _shown("CMD", "Command that checks the change; repeatable.")]
ValidateOnly = Annotated[
    bool, typer.Option("--validate-only", help="Run only the checks given by --validate.")
]
ApprovePlan = Annotated[
    bool, typer.Option("--approve-plan", help="Wait for an answer to the plan.")
]
Draft = Annotated[bool, typer.Option("--draft", help="Open the pull request as a draft.")]
Title = Annotated[str | None, _shown("TEXT", "Title of the pull request.")]
Labels = Annotated[
    list[str] | None,
    typer.Option(
        "--label",
        metavar="NAME",
        help="Label of the pull request; repeatable.",
        callback=_check_filled,
    ),
]
Reviewers = Annotated[
    list[str] | None,
    typer.Option(
        "--reviewer",
        metavar="LOGIN",
        help="Reviewer of the pull request; repeatable.",
        callback=_check_filled,
    ),
]
Allow = Annotated[
    list[str] | None, _shown("RULE", "Rule of the gate that the change may break; repeatable.")
]
MaxCost = Annotated[
    float | None,
    typer.Option(
        metavar="USD",
        help="Limit of money.",
        show_default=False,
        callback=_check_money,
    ),
]
MaxFixRounds = Annotated[
    int | None, typer.Option(metavar="N", min=0, help="Limit of fix rounds.", show_default=False)
]
Timeout = Annotated[
    int | None,
    typer.Option(metavar="SECONDS", min=1, help="Limit of working time.", show_default=False),
]
Model = Annotated[str | None, _shown("NAME", "Model for all roles.")]
Output = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", dir_okay=False, help="Write the diff to this file.", show_default=False
    ),
]
EventJson = Annotated[bool, typer.Option("--json", help="Print the events as JSON lines.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only how the run ended.")]
Server = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Use this server [CODING_AGENT_SERVER].",
        show_default=False,
        callback=_check_text,
    ),
]
"""Empty it is this machine, whatever the setting says."""
Revise = Annotated[str | None, _shown("TEXT", "Plan again, with this in mind.")]
Reject = Annotated[bool, typer.Option("--reject", help="End the run without a change.")]
Status = Annotated[
    str | None,
    typer.Option(
        metavar="STATUS",
        help="Only runs of this status.",
        show_default=False,
        autocompletion=lambda: list(STATUSES),
        callback=_check_status,
    ),
]
RepoUrl = Annotated[str | None, _shown("URL", "Only runs on this repository.")]
Limit = Annotated[int, typer.Option(metavar="N", min=1, max=1000, help="Number of runs to list.")]
WatchAll = Annotated[
    bool, typer.Option("--watch", "-w", help="Stay and show changes; with --json a line each.")
]
Host = Annotated[
    str, typer.Option(metavar="HOST", help="Address to listen on.", callback=_check_filled)
]
Port = Annotated[int, typer.Option(metavar="PORT", min=0, max=65535, help="Port to listen on.")]
WithDiff = Annotated[bool, typer.Option("--diff", help="Also print the diff.")]
Shell = Annotated[
    ShellName,
    typer.Argument(metavar="bash|zsh|fish", help="The shell.", show_default=False),
]
Live = Annotated[bool, typer.Option("--live", help="Use Claude instead of the replay.")]
PullAddress = Annotated[
    str,
    typer.Argument(metavar="PR", help="Address of a pull request.", show_default=False),
]
PublicKeyFile = Annotated[
    Path | None,
    typer.Option(
        "--key",
        metavar="FILE",
        help="Public key that must have signed the receipt.",
        show_default=False,
    ),
]
Until = Annotated[
    Literal["merged", "green"],
    typer.Option("--until", help="When to end: merged, or green where all checks pass."),
]
WebhookAddress = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Address for GitHub's webhooks: https://HOST/webhooks/github.",
        show_default=False,
        callback=_check_address,
    ),
]
Organization = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Make the App for this organization.",
        show_default=False,
        callback=_check_account,
    ),
]
Modal = Annotated[bool, typer.Option("--modal", help="Check the deployment on Modal instead.")]
Tasks = Annotated[
    Path,
    typer.Argument(
        metavar="TASKS.jsonl",
        dir_okay=False,
        help="Tasks in SWE-bench's form, one a line.",
        show_default=False,
    ),
]
Predictions = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FILE",
        dir_okay=False,
        help="File of predictions; ledger and grades lie beside it.",
        show_default=False,
    ),
]
MaxTotalCost = Annotated[
    float | None,
    typer.Option(
        "--max-cost",
        metavar="USD",
        min=0,
        help="Limit of money for all tasks.",
        show_default=False,
    ),
]
Workers = Annotated[int, typer.Option(metavar="N", min=1, max=64, help="Number of runs at once.")]
Slice = Annotated[
    str | None,
    typer.Option(
        "--slice",
        metavar="A:B",
        help="Only these tasks of the file, counted from 0.",
        show_default=False,
    ),
]
CarryOn = Annotated[
    bool, typer.Option("--resume", help="Run only tasks that are missing or failed.")
]
FromRepo = Annotated[
    str | None, _shown("OWNER/REPO", "Make tasks of its merged pull requests; run none.")
]
Since = Annotated[str, _shown("90d", "Only pull requests merged since: days, or a date.")]
GradeThem = Annotated[bool, typer.Option("--grade", help="Grade the predictions by hidden tests.")]
ReportFile = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="FILE",
        dir_okay=False,
        help="Write a report of ledger and grades: HTML and Markdown.",
        show_default=False,
    ),
]
GradesFile = Annotated[
    Path | None,
    typer.Option(
        "--grades",
        metavar="FILE",
        dir_okay=False,
        help="Grades of another harness instead of --grade's.",
        show_default=False,
    ),
]
Version = Annotated[bool, typer.Option("--version", help="Print the version.")]
