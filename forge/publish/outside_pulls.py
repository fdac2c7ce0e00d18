"""Pull requests where the account has no write: one at a time is open."""

from forge.core.conversations import OpenedPull
from forge.core.forge import Forge
from forge.text.pull_request import ORIGIN
from graph import Emit
from graph.errors import PullRequestOpen


async def find_open(forge: Forge, full_name: str, emit: Emit) -> OpenedPull | None:
    """One that this account opened and that says that a coding agent made it."""
    login = (await forge.account(emit)).login
    opened = await forge.pulls_opened_by(full_name, login, emit)
    return next((each for each in opened if ORIGIN in each.body), None)


def still_open(full_name: str, pull: OpenedPull) -> PullRequestOpen:
    """The error that names it."""
    return PullRequestOpen(
        f"{pull.url} is open, and the account has no write to {full_name}: its maintainers get one"
        " pull request of a coding agent at a time."
    )
