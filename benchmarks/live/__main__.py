"""`make live`: tries on Claude, GitHub and Modal what the tests take for granted; at most $3.

usage: LIVE_REPO=OWNER/REPO python -m benchmarks.live

The keys are the user's own, from the environment or the env file. `LIVE_REPO` is a scratch
repository that the token may push to; one branch with one file is left there.
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from typing import Final

from benchmarks.live.claude_step import try_eval, try_requests
from benchmarks.live.github_step import try_run
from benchmarks.live.modal_step import has_account, try_deployment
from benchmarks.live.trial import Account, Trial
from demo.temporary_folder import temporary_folder
from wiring import Configuration, Settings, load_settings

_NO_KEY: Final = "make live runs on Claude itself, for up to $3: {}"
_NO_REPOSITORY: Final = "Set GITHUB_TOKEN and LIVE_REPO=OWNER/REPO, a scratch repository."
_NO_MODAL: Final = "There is no account here: run `modal token new`."


async def main(environment: Mapping[str, str], settings: Settings) -> int:
    """Make all steps; 0 where all is as with the stand-ins, 1 where not, 2 without a key."""
    configuration = Configuration(settings, "live")
    if missing := configuration.provider().find_missing():
        print(_NO_KEY.format(missing[1]), file=sys.stderr)
        return 2
    with temporary_folder() as folder:
        trials = await make_trials(Account(environment, folder), configuration)
    print("\n".join(line for trial in trials for line in trial.lines()))
    return 0 if all(trial.held for trial in trials) else 1


async def make_trials(account: Account, configuration: Configuration) -> list[Trial]:
    """Try the services one after the other; each that lacks something is skipped."""
    settings = configuration.settings
    repository = account.environment.get("LIVE_REPO", "")
    claude = Trial("Claude")
    client = configuration.claude()
    try:
        await try_requests(client, settings.model, claude)
    finally:
        await client.close()
    if claude.held:
        await try_eval(account, claude)
    github, token = Trial("GitHub"), settings.github_token
    if token and repository:
        await try_run(account, repository, settings.github_api_url, token, github)
    else:
        github.skipped = _NO_REPOSITORY
    modal = Trial("Modal", "" if has_account(account) else _NO_MODAL)
    if not modal.skipped:
        await try_deployment(account, modal)
    return [claude, github, modal]


if __name__ == "__main__":
    given = dict(os.environ)  # before the settings take the keys out of it
    sys.exit(asyncio.run(main(given, load_settings())))
