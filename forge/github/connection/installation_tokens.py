"""Tokens of a GitHub App, each for one repository and the permissions that are needed there."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from pydantic import SecretStr

from forge.core.credentials import Credentials
from forge.core.retry import Unprocessable
from graph import SecretForms
from graph.errors import (
    AppNotInstalled,
    AppSuspended,
    ForgeForbidden,
    RepositoryNotFound,
)

RENEW_S: Final = 900.0
"""A token with less time left is not handed out: a transfer may take ten minutes."""
PERMISSIONS: Final[Mapping[str, str]] = {
    "contents": "write",
    "pull_requests": "write",
    "issues": "write",
    "checks": "write",
    "statuses": "read",
    "actions": "write",
    "workflows": "write",
    "metadata": "read",
}
"""What a token is asked for, as far as the installation has it."""
REQUIRED: Final = ("contents", "pull_requests")
_SUSPENDED_HINT: Final = "Unsuspend the App in the settings of {} (Installed GitHub Apps)."


@dataclass(frozen=True)
class AppKey:
    """An App's number and its private key in PEM."""

    app_id: str
    key: SecretStr


class AskAsApp(Protocol):
    """One call signed with the App's key. Raises ForgeError, RepositoryError, Unprocessable."""

    def __call__(
        self, what: str, verb: str, path: str, body: Mapping[str, Any] | None = None
    ) -> Awaitable[Any]: ...


@dataclass(frozen=True)
class _Token:
    value: SecretStr
    expires_at: float

    @property
    def lasts(self) -> bool:
        return self.expires_at - time.time() > RENEW_S


class InstallationTokens(Credentials):
    """Mints a token at its first use and again before it ends; `drop` is told of ended ones."""

    def __init__(self, key: AppKey, ask: AskAsApp, drop: Callable[[SecretStr], None]) -> None:
        lines = key.key.get_secret_value().split()
        self.forms = SecretForms(SecretStr("".join(line for line in lines if "-" not in line)))
        self._ask = ask
        self._drop = drop
        self._tokens: dict[str, _Token] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @property
    def present(self) -> bool:
        return True

    async def token(self, full_name: str) -> SecretStr:
        name = full_name.lower()
        if not name and (lasting := await self._any_lasting()):
            return lasting
        async with self._locks[name]:
            known = self._tokens.get(name)
            if known is None or not known.lasts:
                self.renew(name)
                known = await (self._mint(full_name) if full_name else self._mint_for_account())
                self.forms.add(known.value)
                self._tokens[name] = known
        return known.value

    async def _any_lasting(self) -> SecretStr | None:
        """A token that there is, or that is being made already."""
        for lock in [lock for name, lock in self._locks.items() if name and lock.locked()]:
            async with lock:
                pass
        lasting = [known.value for known in self._tokens.values() if known.lasts]
        return lasting[-1] if lasting else None

    async def installations(self, limit: int) -> list[Any]:
        """The first installations, those that are suspended left out."""
        path = f"/app/installations?per_page={limit}"
        found = await self._ask("the App's installations", "GET", path)
        return [each for each in found if not each.get("suspended_at")]

    async def reader(self, installation: Any) -> SecretStr:
        """A new token that reads which repositories an installation is for."""
        made = await self._make(installation, "the App", {"metadata": "read"})
        self.forms.add(made.value)
        return made.value

    async def probe(self) -> None:
        """Try the key. Raises ForgeError."""
        await self._ask("the App", "GET", "/app")

    def renew(self, full_name: str) -> bool:
        if ended := self._tokens.pop(full_name.lower(), None):
            self._drop(ended.value)
        return True

    async def _mint(self, full_name: str) -> _Token:
        try:
            path = f"/repos/{full_name}/installation"
            installation = await self._ask("the App's installation", "GET", path)
        except RepositoryNotFound:
            raise _not_installed(full_name) from None
        _check_installation(installation, full_name)
        name = full_name.partition("/")[2]
        permissions = _narrowed(installation["permissions"])
        return await self._make(installation, full_name, permissions, repositories=[name])

    async def _mint_for_account(self) -> _Token:
        """One that reads what is public, of any installation."""
        found = await self._ask("the App's installations", "GET", "/app/installations?per_page=1")
        if not found:
            raise AppNotInstalled("The App is installed nowhere.")
        return await self._make(found[0], "the App", {"metadata": "read"})

    async def _make(
        self, installation: Any, full_name: str, permissions: dict[str, str], **narrowed: Any
    ) -> _Token:
        path = f"/app/installations/{int(installation['id'])}/access_tokens"
        body = {"permissions": permissions, **narrowed}
        try:
            made = await self._ask("an installation token", "POST", path, body)
        except Unprocessable:
            raise _not_installed(full_name) from None
        except ForgeForbidden as refused:
            if "suspended" in refused.message.lower():
                raise _suspended(installation, full_name) from None
            raise
        expires_at = datetime.fromisoformat(str(made["expires_at"])).timestamp()
        return _Token(SecretStr(str(made["token"])), expires_at)


def _check_installation(installation: Any, full_name: str) -> None:
    if installation.get("suspended_at"):
        raise _suspended(installation, full_name)
    granted = installation["permissions"]
    missing = [name for name in REQUIRED if granted.get(name) != "write"]
    if missing:
        rights = " and ".join(name.replace("_", " ").capitalize() for name in missing)
        raise ForgeForbidden(
            f"The App may not write {rights} in {full_name}.",
            f"Give it Read and write for {rights} in its settings; the owner of {full_name} then"
            f" accepts that at {installation.get('html_url', 'its installation')}.",
        )


def _narrowed(granted: Mapping[str, str]) -> dict[str, str]:
    """Asking for more than there is would be refused whole."""
    return {
        name: level if granted[name] == "write" else "read"
        for name, level in PERMISSIONS.items()
        if name in granted
    }


def _not_installed(full_name: str) -> AppNotInstalled:
    return AppNotInstalled(f"The App is not installed on {full_name}, or there is no such name.")


def _suspended(installation: Any, full_name: str) -> AppSuspended:
    owner = installation.get("account", {}).get("login") or full_name.partition("/")[0]
    text = f"The App's installation for {full_name} is suspended."
    return AppSuspended(text, _SUSPENDED_HINT.format(owner))
