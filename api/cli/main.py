"""The command `coding-agent`. What a command needs is imported when it runs: help comes at once."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from api.cli import options as given
from api.exit_codes import FAILED, USAGE

if TYPE_CHECKING:
    from api.cli.watched_run import Attendance
    from api.client.runs_protocol import Runs
    from wiring import Settings

app = typer.Typer(
    name="coding-agent",
    help="A sentence and a repository in, a reviewed pull request out: watched live.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """The entry point."""
    app(prog_name="coding-agent")


@app.callback(invoke_without_command=True)
def top(version: given.Version = False) -> None:
    if version:
        typer.echo(_version())
        raise typer.Exit


@app.command()
def run(
    prompt: given.Prompt,
    repo: given.Repo,
    base: given.Base = None,
    setup: given.Setup = None,
    validate: given.Validate = None,
    validate_only: given.ValidateOnly = False,
    approve_plan: given.ApprovePlan = False,
    draft: given.Draft = False,
    title: given.Title = None,
    label: given.Labels = None,
    reviewer: given.Reviewers = None,
    allow: given.Allow = None,
    max_cost: given.MaxCost = None,
    max_fix_rounds: given.MaxFixRounds = None,
    timeout: given.Timeout = None,
    model: given.Model = None,
    json: given.EventJson = False,
    quiet: given.Quiet = False,
    output: given.Output = None,
    server: given.Server = None,
) -> None:
    """Carry out one request and stay to its end.

    The exit code is the run's: 0 succeeded; 3 nothing to change, or plan rejected; 1 incomplete,
    blocked or failed; 4 budget or time spent; 130 cancelled. Ctrl-C cancels the run.
    """
    from api.cli.run_arguments import run_order

    settings = _settings(server)
    asked = {
        "base_branch": base,
        "setup": setup,
        "validate": validate,
        "validate_only": validate_only,
        "approve_plan": approve_plan,
        "draft": draft,
        "title": title,
        "labels": label,
        "reviewers": reviewer,
        "allow": allow,
        "max_cost_usd": max_cost,
        "max_fix_rounds": max_fix_rounds,
        "timeout_s": timeout,
        "model": model,
    }
    order = run_order(prompt, repo, asked, output=output, here=settings.server is None)
    _attend(settings, lambda seat: seat.run(order), json=json, quiet=quiet)


@app.command()
def serve(host: given.Host = "127.0.0.1", port: given.Port = 8000) -> None:
    """Serve the HTTP interface; its docs are at /docs.

    Only this machine reaches it, unless --host says otherwise; then keys must be set.
    """
    from wiring import SettingsError

    settings = _settings(None)
    try:
        settings.check_bind(host)
    except SettingsError as error:
        _fail(error)
    import local
    from api.http.server import make_server

    local.start_log(settings)
    server = make_server(local.create_local_app(settings), host=host, port=port)
    server.run()
    if not server.started:
        raise typer.Exit(FAILED)


@app.command()
def demo(live: given.Live = False) -> None:
    """Watch the whole job on a bundled sample, offline.

    Real git, real sandbox, real tests, real HTTP; only Claude's replies are replayed.
    """
    from api.terminal.display.choose_display import drawing_for
    from api.terminal.display.run_display import draw
    from demo import run_demo

    _settings(None)  # wrong ones are told before anything is started
    _finish(run_demo(live=live, draw=lambda events: draw(events, drawing_for())))


@app.command()
def runs(
    status: given.Status = None,
    repo: given.RepoUrl = None,
    limit: given.Limit = 20,
    json: given.Json = False,
    server: given.Server = None,
) -> None:
    """List runs, newest first."""
    from api.cli.one_shot_commands import list_runs

    _ask(server, lambda runs: list_runs(runs, status=status, repo=repo, limit=limit, json=json))


@app.command()
def show(run: given.RunId, json: given.Json = False, server: given.Server = None) -> None:
    """Print a run's whole record."""
    from api.cli.one_shot_commands import show_run

    _ask(server, lambda runs: show_run(runs, run, json=json))


@app.command()
def watch(
    run: given.RunId,
    json: given.EventJson = False,
    quiet: given.Quiet = False,
    server: given.Server = None,
) -> None:
    """Look on from a run's start to its end. Ctrl-C only looks away."""
    _attend(_settings(server), lambda seat: seat.watch(run), json=json, quiet=quiet)


@app.command()
def diff(run: given.RunId, server: given.Server = None) -> None:
    """Print the change that a run has made so far."""
    from api.cli.one_shot_commands import print_run_diff

    _ask(server, lambda runs: print_run_diff(runs, run))


@app.command()
def approve(
    run: given.RunId,
    revise: given.Revise = None,
    reject: given.Reject = False,
    server: given.Server = None,
) -> None:
    """Answer a plan that waits for it.

    Carries the plan out; with --revise plans again, with --reject ends the run. A run of this
    machine then goes on in this command, which stays to its end.
    """
    if reject and revise is not None:
        raise typer.BadParameter("goes without --reject", param_hint="--revise")
    if revise is not None and not revise.strip():
        raise typer.BadParameter("says what to plan otherwise", param_hint="--revise")
    decision = "reject" if reject else "approve" if revise is None else "revise"
    settings = _settings(server)
    _attend(settings, lambda seat: seat.answer(run, decision, revise or ""))


@app.command()
def cancel(run: given.RunId, server: given.Server = None) -> None:
    """Stop a run; its patch is kept, nothing is published."""
    from api.cli.one_shot_commands import cancel_run

    _ask(server, lambda runs: cancel_run(runs, run))


@app.command()
def resume(
    run: given.RunId,
    max_cost: given.MaxCost = None,
    max_fix_rounds: given.MaxFixRounds = None,
    timeout: given.Timeout = None,
    json: given.EventJson = False,
    quiet: given.Quiet = False,
    server: given.Server = None,
) -> None:
    """Carry on a run that stopped early.

    It goes on from where it stopped, and the command stays to its end. Ctrl-C cancels the run.
    """
    from api.client.runs_protocol import RaisedLimits

    limits = RaisedLimits(max_cost, max_fix_rounds, timeout)
    _attend(_settings(server), lambda seat: seat.resume(run, limits), json=json, quiet=quiet)


@app.command()
def message(run: given.RunId, text: given.Text, server: given.Server = None) -> None:
    """Tell a working run something, for its next turn."""
    from api.cli.one_shot_commands import send_message

    _ask(server, lambda runs: send_message(runs, run, text))


@app.command()
def rm(run: given.RunId, server: given.Server = None) -> None:
    """Remove a run that has ended: record, events, workspace."""
    from api.cli.one_shot_commands import remove_run

    _ask(server, lambda runs: remove_run(runs, run))


@app.command()
def doctor(modal: given.Modal = False) -> None:
    """Try what runs need of this machine; say how to mend it."""
    from api.terminal.report.doctor_report import report

    settings = _settings(None)

    async def examine() -> int:
        if modal:
            import deploy

            return report(await deploy.doctor())
        import local

        return report(await local.doctor(settings))

    _finish(examine())


def _attend(
    settings: "Settings",
    act: "Callable[[Attendance], Awaitable[int]]",
    *,
    json: bool = False,
    quiet: bool = False,
) -> NoReturn:
    """Stay in front of a run until it ends."""
    from api.cli.watched_run import Attendance
    from api.terminal.display.choose_display import drawing_for

    if json and quiet:
        raise typer.BadParameter("goes without --json", param_hint="--quiet")
    drawing = drawing_for(json=json, quiet=quiet)
    asks = not json and not quiet and sys.stdin.isatty() and sys.stdout.isatty()
    suffix = f" --server {settings.server}" if settings.server else ""

    async def work() -> int:
        with drawing:
            async with _open_runs(settings, drawing.note) as runs:
                return await act(Attendance(runs, drawing, suffix=suffix, asks=asks))

    _finish(work())


def _ask(server: str | None, act: "Callable[[Runs], Awaitable[int]]") -> NoReturn:
    """Ask the runs once."""
    settings = _settings(server)

    async def work() -> int:
        async with _open_runs(settings) as runs:
            return await act(runs)

    _finish(work())


@asynccontextmanager
async def _open_runs(
    settings: "Settings", notice: Callable[[str], None] = lambda _: None
) -> "AsyncIterator[Runs]":
    """The runs of the server, or of this machine."""
    if settings.server:
        from api.client.remote_runs import RemoteRuns

        key = settings.api_key.get_secret_value() if settings.api_key else None
        async with RemoteRuns.open(
            settings.server, key, version=_version(), notice=notice
        ) as remote:
            yield remote
        return
    import local
    from api.client.local_runs import LocalRuns

    local.start_log(settings, "warning")
    async with local.open_service(settings) as service:
        yield LocalRuns(service)


def _finish(work: "Coroutine[Any, Any, int]") -> NoReturn:
    from api.cli.exit_handling import finish

    finish(work)


def _fail(error: Exception) -> NoReturn:
    from api.cli.exit_handling import fail

    fail(str(error), code=USAGE)


def _settings(server: str | None) -> "Settings":
    """The settings; `server` wins over CODING_AGENT_SERVER, and is this machine where empty."""
    from pydantic import TypeAdapter, ValidationError

    from wiring import GuardedAddress, SettingsError, load_settings

    try:
        settings = load_settings()
    except SettingsError as error:
        _fail(error)
    if server is None:
        return settings
    try:
        address = TypeAdapter(GuardedAddress).validate_python(server) if server else None
    except ValidationError as error:
        message = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise typer.BadParameter(message, param_hint="--server") from None
    return settings.model_copy(update={"server": address})


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("modal-coding-agent")
    except PackageNotFoundError:  # run from a source tree that was not installed
        return "0"
