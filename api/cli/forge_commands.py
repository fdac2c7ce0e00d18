"""Commands about what is on the forge. What they need is imported when they run."""

import typer

from api.cli import options
from api.cli.command_work import finish, load_settings


def add_forge_commands(app: typer.Typer) -> None:
    """Let the command have them, after its others."""
    app.command()(autofix)
    app.command()(verify)
    github_app = typer.Typer(no_args_is_help=True)
    github_app.callback()(make_github_apps)
    github_app.command("create")(create_github_app)
    app.add_typer(github_app, name="github-app", help="Make a GitHub App for this service.")


def autofix(pr: options.PullAddress, until: options.Until = "merged") -> None:
    """Go on with a pull request until it is merged.

    Its checks, conflicts, reviews and comments count by the rules of webhooks; GitHub is asked
    every three minutes. Runs are this machine's. Ends with 0 once it is merged, or with --until
    green once all checks pass; with 1 where it is closed.
    """
    from api.cli.autofix.autofix_command import go_on

    finish(go_on(load_settings(""), pr, until))


def verify(pr: options.PullAddress, key: options.PublicKeyFile = None) -> None:
    """Run a pull request's receipt again, and compare.

    It takes neither a log nor a model. The commands run in the sandbox, on head and base. The exit
    code is 0 where all agrees.
    """
    from api.cli.verification.verify_command import verify_pull

    finish(verify_pull(load_settings(""), pr, key))


def make_github_apps() -> None:
    """Make a GitHub App for this service."""


def create_github_app(
    webhook_url: options.WebhookAddress = None, organization: options.Organization = None
) -> None:
    """Make a GitHub App in a browser, and keep its key and settings.

    A page on this machine leads to GitHub and receives the App's key, once.
    """
    from api.cli.github_app.create_command import create_app

    finish(create_app(load_settings(""), webhook_url, organization))
