"""`github-app create`: a GitHub App for this service, in one click."""

import asyncio
import sys
from typing import TYPE_CHECKING, Final

from api.cli.exit_handling import fail
from api.cli.github_app.manifest_server import ManifestServer
from api.exit_codes import FAILED
from api.terminal.text.safe_text import clean

if TYPE_CHECKING:
    from wiring import Settings

_PATIENCE_S: Final = 3600.0
"""GitHub's code is good for an hour."""


async def create_app(settings: "Settings", webhook_url: str | None, owner: str | None) -> int:
    """0 where the App was made, kept, and answers. `owner` is an organization; None: the person."""
    from wiring.triggers import AppCreation

    creation = AppCreation(settings, webhook_url=webhook_url)
    form = f"/organizations/{owner}/settings/apps/new" if owner else "/settings/apps/new"
    server = ManifestServer(creation.web, form, creation.manifest)
    async with server.serving():
        _say(f"Open this address in a browser of this machine:\n\n  {server.address}\n")
        try:
            async with asyncio.timeout(_PATIENCE_S):
                code = await server.code
        except TimeoutError:
            fail("Nobody came back from GitHub within an hour.", code=FAILED)
    kept = await creation.convert(code)
    _say(f"The App {kept.created.slug} is made.")
    _say(f"Its key is in {kept.key_file}, its settings were added to {kept.env_file}.")
    _say(f"Install it on your repositories: {kept.created.address}/installations/new")
    _say("\nFor a deployment on Modal, then `modal deploy deploy.py`:\n")
    for line in kept.modal_lines:
        _say(f"  {line}")
    await creation.probe(kept)
    _say("\nGitHub takes its key.")
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"{clean(text)}\n")
    sys.stdout.flush()
