"""The command `coding-agent`. What a command needs is imported when it runs: help comes at once."""

from typing import TYPE_CHECKING

import typer

from api.cli import options
from api.cli.command_group import CommandGroup
from api.cli.command_work import (
    call_runs,
    finish,
    load_settings,
    raise_limits,
    watch_run,
)
from api.cli.completion import completion_script, prepare_completion
from api.cli.forge_commands import add_forge_commands

if TYPE_CHECKING:
    from graph import Decision

app = typer.Typer(
    name="coding-agent",
    cls=CommandGroup,
    help="Turn a request on a repository into a reviewed pull request.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """The entry point, also of a shell that completes a line."""
    prepare_completion()
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
    repo: options.Repo = ".",
    base: options.Base = None,
    branch: options.Branch = None,
    include_uncommitted: options.Uncommitted = False,
    pr: options.PullRequest = None,
    after: options.After = None,
    review_only: options.ReviewOnly = False,
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
    """Carry out one request.

    The command ends with the run. A line that you type is a message to the run. Ctrl-C cancels the
    run. Exit codes: 0 succeeded; 1 incomplete, blocked or failed; 2 wrong usage; 3 nothing to
    change, or plan rejected; 4 budget or time spent; 130 cancelled.
    """
    from api.cli.run_arguments import run_order

    settings = raise_limits(load_settings(server), max_cost, max_fix_rounds, timeout)
    start = {"base_branch": base, "branch": branch, "include_uncommitted": include_uncommitted}
    ground = {"pull_request_url": pr, "parent_run_id": after, "review_only": review_only}
    checks = {"setup": setup, "validate": validate, "validate_only": validate_only}
    pull = {"draft": draft, "title": title, "labels": label, "reviewers": reviewer}
    limits = {"max_cost_usd": max_cost, "max_fix_rounds": max_fix_rounds, "timeout_s": timeout}
    how = {"approve_plan": approve_plan, "allow": allow, "model": model}
    asked = {**start, **ground, **checks, **pull, **limits, **how}
    order = run_order(prompt, repo, asked, output=output, here=settings.server is None)
    watch_run(settings, lambda watched: watched.run(order), json=json, quiet=quiet)


@app.command()
def serve(host: options.Host = "127.0.0.1", port: options.Port = 8000) -> None:
    """Serve the web page and the HTTP interface.

    Only this machine can reach it. With --host others can, and keys must be set. The interface's
    documentation is at /docs.
    """
    from api.cli.serve_command import serve_until_stopped

    serve_until_stopped(load_settings(None), host, port)


@app.command()
def demo(live: options.Live = False, diff: options.WithDiff = False) -> None:
    """Run the whole job on a bundled sample, offline.

    Git, sandbox, tests and HTTP are real. Claude's replies are replayed.
    """
    from api.terminal.display.choose_display import choose_display
    from api.terminal.display.run_display import draw
    from demo import run_demo

    load_settings(None)  # wrong ones are told before anything is started
    finish(run_demo(live=live, diff=diff, draw=lambda events: draw(events, choose_display())))


@app.command()
def runs(
    status: options.Status = None,
    repo: options.RepoUrl = None,
    limit: options.Limit = 20,
    watch: options.WatchAll = False,
    json: options.Json = False,
    server: options.Server = None,
) -> None:
    """List runs, newest first.

    With --watch the list stays until Ctrl-C and follows the runs. Those that wait come first.
    """
    from api.cli.board.watch_runs import watch_runs
    from api.cli.one_shot_commands import list_runs

    act = watch_runs if watch else list_runs
    call_runs(server, lambda runs: act(runs, status=status, repo=repo, limit=limit, json=json))


@app.command()
def show(run: options.RunId, json: options.Json = False, server: options.Server = None) -> None:
    """Print everything about a run."""
    from api.cli.one_shot_commands import show_run

    call_runs(server, lambda runs: show_run(runs, run, json=json))


@app.command()
def watch(
    run: options.RunId,
    json: options.EventJson = False,
    quiet: options.Quiet = False,
    server: options.Server = None,
) -> None:
    """Follow a run from its start to its end. Ctrl-C does not stop the run."""
    watch_run(load_settings(server), lambda watched: watched.watch(run), json=json, quiet=quiet)


@app.command()
def diff(run: options.RunId, server: options.Server = None) -> None:
    """Print the diff of a run."""
    from api.cli.one_shot_commands import print_run_diff

    call_runs(server, lambda runs: print_run_diff(runs, run))


@app.command()
def approve(
    run: options.RunId,
    revise: options.Revise = None,
    reject: options.Reject = False,
    server: options.Server = None,
) -> None:
    """Answer a plan that waits.

    Without an option the plan is carried out. A run of this machine continues in this command,
    which ends with the run.
    """
    if reject and revise is not None:
        raise typer.BadParameter("goes without --reject", param_hint="--revise")
    if revise is not None and not revise.strip():
        raise typer.BadParameter("says what to plan otherwise", param_hint="--revise")
    decision: Decision = "reject" if reject else "approve" if revise is None else "revise"
    settings = load_settings(server)
    watch_run(settings, lambda watched: watched.answer(run, decision, revise or ""))


@app.command()
def cancel(run: options.RunId, server: options.Server = None) -> None:
    """Stop a run. Its patch is kept; nothing is published."""
    from api.cli.one_shot_commands import cancel_run

    call_runs(server, lambda runs: cancel_run(runs, run))


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
    """Continue a run that stopped early.

    It continues where it stopped. The command ends with the run. Ctrl-C cancels the run.
    """
    from runs.model import RaisedLimits

    limits = RaisedLimits(max_cost, max_fix_rounds, timeout)
    settings = raise_limits(load_settings(server), max_cost, max_fix_rounds, timeout)
    watch_run(settings, lambda watched: watched.resume(run, limits), json=json, quiet=quiet)


@app.command()
def message(run: options.RunId, text: options.Text, server: options.Server = None) -> None:
    """Send a message to the roles of a run at work."""
    from api.cli.one_shot_commands import send_message

    call_runs(server, lambda runs: send_message(runs, run, text))


@app.command()
def rm(run: options.RunIds, server: options.Server = None) -> None:
    """Remove runs that have ended: record, events, workspace."""
    from api.cli.one_shot_commands import remove_runs

    call_runs(server, lambda runs: remove_runs(runs, run))


@app.command()
def completion(shell: options.Shell) -> None:
    """Print the shell's completion of this command.

    bash: source <(coding-agent completion bash). zsh: the same with zsh, after compinit. fish:
    coding-agent completion fish | source.
    """
    typer.echo(completion_script(shell))


@app.command()
def doctor(modal: options.Modal = False) -> None:
    """Check what runs need, and say how to fix it."""
    from api.terminal.report.doctor_report import report

    settings = load_settings(None)

    async def examine() -> int:
        from wiring.doctor import check_deployment, check_machine

        return report(await (check_deployment if modal else check_machine)(settings))

    finish(examine())


@app.command()
def environment(
    repo: options.Repos,
    model: options.WithModel = False,
    write: options.Write = False,
    forget: options.Forget = False,
) -> None:
    """Try a repository's set-up and checks.

    The command prints what is installed, what is left out and why, and how the checks end. It asks
    no model without --model. The exit code is 0 if the main check of each repository runs.
    """
    from api.cli.environment.environment_command import forget_environments, try_environments

    if forget and (write or model):
        raise typer.BadParameter("goes without --write and --model", param_hint="--forget")
    settings = load_settings("")
    work = forget_environments(settings, repo) if forget else None
    finish(work or try_environments(settings, repo, write=write, with_model=model))


@app.command("eval")
def evaluate(
    tasks: options.Tasks,
    out: options.Predictions = None,
    max_cost: options.MaxTotalCost = None,
    workers: options.Workers = 2,
    part: options.Slice = None,
    resume: options.CarryOn = False,
    model: options.Model = None,
    grade: options.GradeThem = False,
    report: options.ReportFile = None,
    grades: options.GradesFile = None,
    from_repo: options.FromRepo = None,
    since: options.Since = "90d",
) -> None:
    """Run a set of tasks, and grade and report the results.

    Each task is a run on the base commit without its history. Nothing is published. With --grade,
    --report or --from-repo no task is run. Exit codes: 0 every run ended by itself; 1 one failed; 4
    the money was spent before.
    """
    if from_repo is not None:
        from api.cli.evaluation.make_tasks import make_tasks

        finish(make_tasks(load_settings(""), from_repo, since, tasks))
    from api.cli.evaluation.order import EvaluationOrder

    order = EvaluationOrder.of(
        tasks, out, max_cost=max_cost, workers=workers, part=part, resume=resume, model=model
    )
    finish(order.work(load_settings(""), grade=grade, report=report, grades=grades))


add_forge_commands(app)
