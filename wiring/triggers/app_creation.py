"""Makes a GitHub App for this service and keeps what GitHub hands out of it."""

import asyncio
import os
import secrets
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import platformdirs

from forge.github import (
    AppKey,
    CreatedApp,
    GitHub,
    ManifestConversion,
    app_manifest,
    web_address,
)
from forge.triggers import EVENTS
from wiring.settings import APP_NAME, Settings

_KEY: Final = "CODING_AGENT_GITHUB_APP_KEY"
_SECRETS: Final = "CODING_AGENT_GITHUB_WEBHOOK_SECRETS"


@dataclass(frozen=True)
class KeptApp:
    """An App, and the files in which its key and its settings are kept."""

    created: CreatedApp
    key_file: Path
    env_file: Path

    @property
    def modal_lines(self) -> tuple[str, ...]:
        """Commands that hand the App to a deployment on Modal; none holds a secret itself."""
        file, env = shlex.quote(str(self.key_file)), shlex.quote(str(self.env_file))
        create = (
            f"modal secret create github-token CODING_AGENT_GITHUB_APP_ID={self.created.app_id}"
            f' {_KEY}="$(cat {file})"'
        )
        if not self.created.webhook_secret:
            return (create,)
        return create, f'export {_SECRETS}="$(sed -n s/^{_SECRETS}=//p {env} | tail -1)"'


class AppCreation:
    """One App. `folder` is where its key and its settings are kept, for this user alone."""

    def __init__(
        self, settings: Settings, *, webhook_url: str | None = None, folder: Path | None = None
    ) -> None:
        self._api_url = settings.github_api_url
        self._webhook_url = webhook_url
        self._folder = folder or platformdirs.user_config_path(APP_NAME)
        self.web = web_address(self._api_url)

    def manifest(self, redirect_url: str) -> dict[str, Any]:
        """What GitHub is shown; the person may still change the name there."""
        return app_manifest(
            f"{APP_NAME}-{secrets.token_hex(3)}",
            home=self._webhook_url or self.web,
            redirect_url=redirect_url,
            webhook_url=self._webhook_url,
            events=EVENTS,
        )

    async def convert(self, code: str) -> KeptApp:
        """Ask for the App once, and keep it. Raises ForgeError, OSError."""
        conversion = ManifestConversion(api_url=self._api_url, token=None)
        try:
            created = await conversion.convert(code)
        finally:
            await conversion.close()
        return await asyncio.to_thread(self._keep, created)

    async def probe(self, kept: KeptApp) -> None:
        """Make a call as the App. Raises ForgeError."""
        app = AppKey(kept.created.app_id, kept.created.key)
        github = GitHub(api_url=self._api_url, token=None, app=app)
        try:
            await github.probe()
        finally:
            await github.close()

    def _keep(self, created: CreatedApp) -> KeptApp:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        key_file = self._folder / f"{created.slug}-{created.app_id}.pem"
        env_file = self._folder / "env"
        _write(key_file, created.key.get_secret_value(), os.O_EXCL)
        lines = [
            f"CODING_AGENT_GITHUB_APP_ID={created.app_id}",
            f"CODING_AGENT_GITHUB_APP_KEY_FILE={key_file}",
        ]
        if created.webhook_secret:
            secret = created.webhook_secret.get_secret_value()
            lines.append(f"{_SECRETS}={secret}")
        _write(env_file, "".join(f"{line}\n" for line in ("", *lines)), os.O_APPEND)
        return KeptApp(created, key_file, env_file)


def _write(path: Path, text: str, how: int) -> None:
    """Write a file that this user alone reads; it is never readable for others meanwhile."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | how, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, 0o600)
        file.write(text)
