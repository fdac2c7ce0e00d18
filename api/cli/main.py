"""The command `coding-agent`. What a command needs is imported when it runs: help comes at once."""

import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from api.cli import options
from api.exit_codes import FAILED, USAGE

if TYPE_CHECKING:
    from api.cli.watched_run import WatchedRun
    from api.client.runs_protocol import Runs
    from graph import Decision
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
def top(version: options.Version = False) -> None:
    if version:
        from api.cli.open_runs import release

        typer.echo(release())
        raise typer.Exit


@app.command()
def run(
    prompt: options.Prompt,
    repo: options.Repo,
    base: options.Base = None,
    setup: options.Setup = None,
    validate: options.Validate = None,
    validate_only: options.ValidateOnly = False,
    approve_plan: options.ApprovePlan = False,
    draft: options.Draft = False,
    title: options.Title = None,
    label: options.Labels = None,
    reviewer: options.Reviewers = None,
    allow: options.Allow = None,
    max_cost: options.MaxCost = None,
    max_fix_rounds: options.MaxFixRounds = None,
    timeout: options.Timeout = None,
    model: options.Model = None,
    json: options.EventJson = False,
    quiet: options.Quiet = False,
    output: options.Output = None,
    server: options.Server = None,
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
    _watch_run(settings, lambda watched: watched.run(order), json=json, quiet=quiet)


@app.command()
def serve(host: options.Host = "127.0.0.1", port: options.Port = 8000) -> None:
    """Serve the HTTP interface; its docs are at /docs.

    Only this machine reaches it, unless --host says otherwise; then keys must be set.
    """
    from wiring import SettingsError

    settings = _settings(None)
    try:
        settings = settings.served_on(host)
    except SettingsError as error:
        _fail(error)
    from api.cli.exit_handling import exit_code_of
    from api.cli.serve_command import try_to_serve
    from api.http.server import make_server
    from wiring import create_local_app, start_log

    start_log(settings)
    exit_code_of(try_to_serve(settings, host, port))
    server = make_server(create_local_app(settings), host=host, port=port)
    with suppress(SystemExit):  # with a code that is a run's own, where it cannot start
        server.run()
    if not server.started:
        raise typer.Exit(FAILED)


@app.command()
def demo(live: options.Live = False) -> None:
    """Watch the whole job on a bundled sample, offline.

    Real git, real sandbox, real tests, real HTTP; only Claude's replies are replayed.
    """
    from api.terminal.display.choose_display import choose_display
    from api.terminal.display.run_display import draw
    from demo import run_demo

    _settings(None)  # wrong ones are told before anything is started
    _finish(run_demo(live=live, draw=lambda events: draw(events, choose_display())))


@app.command()
def runs(
    status: options.Status = None,
    repo: options.RepoUrl = None,
    limit: options.Limit = 20,
    json: options.Json = False,
    server: options.Server = None,
) -> None:
    """List runs, newest first."""
    from api.cli.one_shot_commands import list_runs

    _call_runs(
        server, lambda runs: list_runs(runs, status=status, repo=repo, limit=limit, json=json)
    )


@app.command()
def show(run: options.RunId, json: options.Json = False, server: options.Server = None) -> None:
    """Print a run's whole record."""
    from api.cli.one_shot_commands import show_run

    _call_runs(server, lambda runs: show_run(runs, run, json=json))


@app.command()
def watch(
    run: options.RunId,
    json: options.EventJson = False,
    quiet: options.Quiet = False,
    server: options.Server = None,
) -> None:
    """Look on from a run's start to its end. Ctrl-C only looks away."""
    _watch_run(_settings(server), lambda watched: watched.watch(run), json=json, quiet=quiet)


@app.command()
def diff(run: options.RunId, server: options.Server = None) -> None:
    """Print the change that a run has made so far."""
    from api.cli.one_shot_commands import print_run_diff

    _call_runs(server, lambda runs: print_run_diff(runs, run))


@app.command()
def approve(
    run: options.RunId,
    revise: options.Revise = None,
    reject: options.Reject = False,
    server: options.Server = None,
) -> None:
    """Answer a plan that waits for it.

    Carries the plan out; with --revise plans again, with --reject ends the run. A run of this
    machine then goes on in this command, which stays to its end.
    """
    if reject and revise is not None:
        raise typer.BadParameter("goes without --reject", param_hint="--revise")
    if revise is not None and not revise.strip():
        raise typer.BadParameter("says what to plan otherwise", param_hint="--revise")
    decision: Decision = "reject" if reject else "approve" if revise is None else "revise"
    settings = _settings(server)
    _watch_run(settings, lambda watched: watched.answer(run, decision, revise or ""))


@app.command()
def cancel(run: options.RunId, server: options.Server = None) -> None:
    """Stop a run; its patch is kept, nothing is published."""
    from api.cli.one_shot_commands import cancel_run

    _call_runs(server, lambda runs: cancel_run(runs, run))


@app.command()
def resume(
    run: options.RunId,
    max_cost: options.MaxCost = None,
    max_fix_rounds: options.MaxFixRounds = None,
    timeout: options.Timeout = None,
    json: options.EventJson = False,
    quiet: options.Quiet = False,
    server: options.Server = None,
) -> None:
    """Carry on a run that stopped early.

    It goes on from where it stopped, and the command stays to its end. Ctrl-C cancels the run.
    """
    from runs.model import RaisedLimits

    limits = RaisedLimits(max_cost, max_fix_rounds, timeout)
    _watch_run(
        _settings(server), lambda watched: watched.resume(run, limits), json=json, quiet=quiet
    )


@app.command()
def message(run: options.RunId, text: options.Text, server: options.Server = None) -> None:
    """Tell a working run something, for its next turn."""
    from api.cli.one_shot_commands import send_message

    _call_runs(server, lambda runs: send_message(runs, run, text))


@app.command()
def rm(run: options.RunId, server: options.Server = None) -> None:
    """Remove a run that has ended: record, events, workspace."""
    from api.cli.one_shot_commands import remove_run

    _call_runs(server, lambda runs: remove_run(runs, run))


@app.command()
def doctor(modal: options.Modal = False) -> None:
    """Try what runs need of this machine; say how to fix it."""
    from api.terminal.report.doctor_report import report

    settings = _settings(None)

    async def examine() -> int:
        from wiring.doctor import check_deployment, check_machine

        return report(await (check_deployment if modal else check_machine)(settings))

    _finish(examine())


@app.command()
def environment(
    repo: options.Repos,
    model: options.WithModel = False,
    write: options.Write = False,
    forget: options.Forget = False,
) -> None:
    """Try set-up and checks on a repository.

    No model is asked without --model. Prints what is installed, what is left out and why, and how
    the checks end. The exit code is 0 where the main check runs, of several repositories in each.
    """
    from api.cli.environment_command import forget_environments, try_environments

    if forget and (write or model):
        raise typer.BadParameter("goes without --write and --model", param_hint="--forget")
    settings = _settings("")
    work = forget_environments(settings, repo) if forget else None
    _finish(work or try_environments(settings, repo, write=write, with_model=model))


def _watch_run(
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
    suffix = f" --server {settings.server}" if settings.server else ""

    async def work() -> int:
        with display:
            async with open_runs(settings, display.note) as runs:
                return await act(WatchedRun(runs, display, suffix=suffix, asks=asks))

    _finish(work())


def _call_runs(server: str | None, act: "Callable[[Runs], Awaitable[int]]") -> NoReturn:
    """Call the runs once."""
    from api.cli.open_runs import open_runs

    settings = _settings(server)

    async def work() -> int:
        async with open_runs(settings) as runs:
            return await act(runs)

    _finish(work())


def _finish(work: "Coroutine[Any, Any, int]") -> NoReturn:
    from api.cli.exit_handling import finish

    finish(work)


def _fail(error: Exception) -> NoReturn:
    from api.cli.exit_handling import fail

    fail(str(error), code=USAGE)


def _settings(server: str | None) -> "Settings":
    """The settings; `server` wins over CODING_AGENT_SERVER, and is this machine where empty."""
    from pydantic import TypeAdapter, ValidationError

    from graph import describe_faults
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
        raise typer.BadParameter(describe_faults(error)[0], param_hint="--server") from None
    return settings.model_copy(update={"server": address})
