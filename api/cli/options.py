"""The options and arguments that commands take, each with its help."""

import math
from pathlib import Path
from typing import Annotated, Any, Final

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
    return typer.Option(metavar=metavar, help=text, show_default=False, callback=_check_text)


def _argument(metavar: str, text: str) -> Any:
    return typer.Argument(metavar=metavar, help=text, show_default=False, callback=_check_text)


RunId = Annotated[str, _argument("RUN", "The run's id, or how it begins.")]
RunIds = Annotated[list[str], _argument("RUN", "Their ids, or how those begin.")]
Prompt = Annotated[str, _argument("PROMPT", "What should change; '-' reads it.")]
Text = Annotated[str, _argument("TEXT", "What to say.")]
Repo = Annotated[str, _shown("URL|PATH", "A repository's address, or a checkout [this folder's].")]
Repos = Annotated[
    list[str], _argument("REPO|PATH", "A repository's address, or a git checkout's path.")
]
Write = Annotated[
    bool, typer.Option("--write", help="Write what was found into .coding-agent.toml.")
]
WithModel = Annotated[
    bool, typer.Option("--model", help="Let a model look for what rules do not bring: it costs.")
]
Forget = Annotated[bool, typer.Option("--forget", help="Forget what is known of it.")]
Base = Annotated[str | None, _shown("BRANCH", "Start from this branch.")]
Branch = Annotated[str | None, _shown("NAME", "Publish on this new branch.")]
Uncommitted = Annotated[
    bool,
    typer.Option("--include-uncommitted", help="Start from what tracked files hold now."),
]
PullRequest = Annotated[str | None, _shown("URL", "Go on with this pull request.")]
After = Annotated[str | None, _shown("RUN", "Go on with the pull request of this run.")]
ReviewOnly = Annotated[
    bool, typer.Option("--review-only", help="Review the pull request; push nothing.")
]
Setup = Annotated[list[str] | None, _shown("CMD", "Makes a fresh tree ready; repeatable.")]
Validate = Annotated[list[str] | None, _shown("CMD", "A check beside those found; repeatable.")]
ValidateOnly = Annotated[
    bool, typer.Option("--validate-only", help="Run only the checks given by --validate.")
]
ApprovePlan = Annotated[
    bool, typer.Option("--approve-plan", help="Ask before the plan is carried out.")
]
Draft = Annotated[bool, typer.Option("--draft", help="Open the pull request as a draft.")]
Title = Annotated[str | None, _shown("TEXT", "Title of the pull request.")]
Labels = Annotated[
    list[str] | None,
    typer.Option(
        "--label",
        metavar="NAME",
        help="Label of the pull request; repeatable.",
        callback=_check_text,
    ),
]
Reviewers = Annotated[
    list[str] | None,
    typer.Option(
        "--reviewer",
        metavar="LOGIN",
        help="Reviewer to ask for; repeatable.",
        callback=_check_text,
    ),
]
Allow = Annotated[list[str] | None, _shown("RULE", "A rule of the gate that may pass; repeatable.")]
MaxCost = Annotated[
    float | None,
    typer.Option(
        metavar="USD",
        help="Spend at most this.",
        show_default=False,
        callback=_check_money,
    ),
]
MaxFixRounds = Annotated[
    int | None, typer.Option(metavar="N", min=0, help="Fix at most so often.", show_default=False)
]
Timeout = Annotated[
    int | None,
    typer.Option(metavar="SECONDS", min=1, help="Work at most so long.", show_default=False),
]
Model = Annotated[str | None, _shown("NAME", "Model of all roles.")]
Output = Annotated[
    Path | None,
    typer.Option(metavar="FILE", dir_okay=False, help="Write the diff here.", show_default=False),
]
EventJson = Annotated[bool, typer.Option("--json", help="Print the events as JSON lines.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only how the run ended.")]
Server = Annotated[str | None, _shown("URL", "Ask this server [CODING_AGENT_SERVER].")]
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
Limit = Annotated[int, typer.Option(metavar="N", min=1, max=1000, help="At most so many.")]
WatchAll = Annotated[
    bool, typer.Option("--watch", "-w", help="Stay, and show each change; with --json a line each.")
]
Host = Annotated[str, typer.Option(metavar="HOST", help="Address to listen on.")]
Port = Annotated[int, typer.Option(metavar="PORT", min=0, max=65535, help="Port to listen on.")]
WithDiff = Annotated[bool, typer.Option("--diff", help="Print what the pull request changes, too.")]
Shell = Annotated[
    ShellName,
    typer.Argument(metavar="bash|zsh|fish", help="Which shell.", show_default=False),
]
Live = Annotated[bool, typer.Option("--live", help="Use Claude instead of the replay.")]
WebhookAddress = Annotated[
    str | None,
    _shown("URL", "Where GitHub tells of issues: https://YOUR-SERVICE/webhooks/github."),
]
Organization = Annotated[str | None, _shown("NAME", "An organization's App, not your own.")]
Modal = Annotated[bool, typer.Option("--modal", help="Try what is deployed on Modal instead.")]
Tasks = Annotated[
    Path,
    typer.Argument(
        metavar="TASKS.jsonl",
        dir_okay=False,
        help="Tasks as SWE-bench has them, one a line.",
        show_default=False,
    ),
]
Predictions = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FILE",
        dir_okay=False,
        help="Predictions; ledger and grades lie beside.",
        show_default=False,
    ),
]
MaxTotalCost = Annotated[
    float | None,
    typer.Option(
        "--max-cost",
        metavar="USD",
        min=0.0,
        help="Spend at most this on all tasks.",
        show_default=False,
    ),
]
Workers = Annotated[int, typer.Option(metavar="N", min=1, max=64, help="Run so many at once.")]
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
    bool, typer.Option("--resume", help="Go on with what is missing, and with what failed.")
]
FromRepo = Annotated[
    str | None, _shown("OWNER/REPO", "Make the tasks of its merged pull requests; run none.")
]
Since = Annotated[str, _shown("90d", "Of pull requests merged since then: days, or a date.")]
GradeThem = Annotated[
    bool, typer.Option("--grade", help="Grade the predictions by hidden tests, in the sandbox.")
]
ReportFile = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="FILE",
        dir_okay=False,
        help="Write what ledger and grades come to, as HTML and as Markdown.",
        show_default=False,
    ),
]
GradesFile = Annotated[
    Path | None,
    typer.Option(
        "--grades",
        metavar="FILE",
        dir_okay=False,
        help="Grades of another harness; else those of --grade.",
        show_default=False,
    ),
]
Version = Annotated[bool, typer.Option("--version", help="Print the version.")]
