"""Tokens of a GitHub App, each for one repository and the permissions that are needed there."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from pydantic import SecretStr

from forge.core.credentials import Credentials, TokenUse
from forge.github.api_errors import ApiError
from graph import SecretForms
from graph.errors import (
    AppNotInstalled,
    AppSuspended,
    ForgeForbidden,
    ForgeRejected,
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
_OF_USE: Final[Mapping[TokenUse, Mapping[str, str]]] = {
    "fetch": {"contents": "read", "metadata": "read"},
    "all": PERMISSIONS,
}
_JUST_S: Final = 10.0
"""What was told so long ago is as good as what is asked for now."""
_INSTALLED_S: Final = 60.0
"""Tokens that are made one after the other take one look at the installation."""
REQUIRED: Final = ("contents", "pull_requests")
_MOST_RIGHTS: Final = 200
"""Characters."""
_SUSPENDED_HINT: Final = "Unsuspend the App in the settings of {} (Installed GitHub Apps)."


@dataclass(frozen=True)
class AppKey:
    """An App's number and its private key in PEM."""

    app_id: str
    key: SecretStr


class AskAsApp(Protocol):
    """One call signed with the App's key. Raises ForgeError, RepositoryError."""

    def __call__(
        self, what: str, verb: str, path: str, body: Mapping[str, Any] | None = None
    ) -> Awaitable[Any]: ...


class FindName(Protocol):
    """The present name of a repository, asked with a token. Raises as AskAsApp does."""

    def __call__(self, full_name: str, token: SecretStr) -> Awaitable[str]: ...


@dataclass(frozen=True)
class _Token:
    """`repository` is what GitHub told of the one that the token is for."""

    value: SecretStr
    expires_at: float
    repository: Mapping[str, Any] | None = None

    @property
    def lasts(self) -> bool:
        return self.expires_at - time.time() > RENEW_S


class InstallationTokens(Credentials):
    """Mints a token at its first use and again before it ends; `drop` is told of ended ones."""

    def __init__(
        self, key: AppKey, ask: AskAsApp, find_name: FindName, drop: Callable[[SecretStr], None]
    ) -> None:
        lines = key.key.get_secret_value().split()
        self.forms = SecretForms(SecretStr("".join(line for line in lines if "-" not in line)))
        self._ask = ask
        self._find_name = find_name
        self._drop = drop
        self._tokens: dict[tuple[str, TokenUse], _Token] = {}
        self._installed: dict[str, tuple[float, Any]] = {}
        """Installations with all that is needed, and when they were looked up, by repository."""
        self._told: dict[str, tuple[float, Mapping[str, Any]]] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.login = ""
        """The name of the App's account, once an installation was looked up."""

    @property
    def present(self) -> bool:
        return True

    async def token(self, full_name: str, use: TokenUse = "all") -> SecretStr:
        name = full_name.lower()
        if not name and (lasting := await self._any_lasting()):
            return lasting
        async with self._locks[name]:
            known = self._tokens.get((name, use))
            if known is None or not known.lasts:
                self._end(name, use)
                known = await (
                    self._mint(full_name, use) if full_name else self._mint_for_account()
                )
                self.forms.add(known.value)
                self._tokens[name, use] = known
        return known.value

    async def just_told(self, full_name: str) -> Mapping[str, Any] | None:
        """The repository as GitHub told of it when it made a token a moment ago; only once.

        Raises ForgeError where there is no token for it.
        """
        await self.token(full_name)
        at, told = self._told.pop(full_name.lower(), (0.0, None))
        return told if told and time.monotonic() - at < _JUST_S else None

    def explain(self, full_name: str, what: str, answer: ApiError) -> ForgeForbidden | None:
        """What is told of a call that the App alone is refused; None of any other."""
        _, installation = self._installed.get(full_name.lower(), (0.0, None))
        said = answer.message.lower()
        if answer.status != 403 or answer.wait_s is not None or installation is None:
            return None
        if "suspended" in said:
            return _suspended(installation, full_name)
        if "by integration" not in said:
            return None
        asked = " ".join(answer.headers.get("x-accepted-github-permissions", "").split())
        return ForgeForbidden(
            f"GitHub refused {what} (403): {answer.message}",
            _accept_hint(asked[:_MOST_RIGHTS] or "what it lacks", installation, full_name),
        )

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

    def renew(self, full_name: str, use: TokenUse = "all") -> bool:
        self._installed.pop(full_name.lower(), None)
        self._end(full_name.lower(), use)
        return True

    def _end(self, name: str, use: TokenUse) -> None:
        if ended := self._tokens.pop((name, use), None):
            self._drop(ended.value)

    async def _mint(self, full_name: str, use: TokenUse) -> _Token:
        """One for a repository; where there is none of that name, for what it is called now."""
        name = full_name.lower()
        try:
            made = await self._make_for(await self._installation(full_name), full_name, use)
        except AppNotInstalled:
            if name not in self._installed:
                raise
            del self._installed[name]
            installation = await self._installation(full_name)
            present = await self._present_name(installation, full_name)
            made = await self._make_for(installation, present, use)
        if made.repository:
            self._told[name] = time.monotonic(), made.repository
        return made

    async def _installation(self, full_name: str) -> Any:
        """The one for a repository, looked up just now, that has what is needed there."""
        at, installation = self._installed.get(full_name.lower(), (0.0, None))
        if installation is None or time.monotonic() - at > _INSTALLED_S:
            try:
                path = f"/repos/{full_name}/installation"
                installation = await self._ask("the App's installation", "GET", path)
            except RepositoryNotFound:
                raise _not_installed(full_name) from None
            self.login = f"{installation['app_slug']}[bot]"
            _check_installation(installation, full_name)
            self._installed[full_name.lower()] = time.monotonic(), installation
        return installation

    async def _present_name(self, installation: Any, full_name: str) -> str:
        """What a repository that may have been renamed is called now."""
        token = await self.reader(installation)
        try:
            return await self._find_name(full_name, token)
        except RepositoryNotFound:
            raise _not_installed(full_name) from None
        finally:
            self._drop(token)

    async def _make_for(self, installation: Any, full_name: str, use: TokenUse) -> _Token:
        permissions = _narrowed(_OF_USE[use], installation["permissions"])
        name = full_name.partition("/")[2]
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
        except ForgeRejected:  # such a name, or such rights, are not there
            raise _not_installed(full_name) from None
        except ForgeForbidden as refused:
            if "suspended" in refused.message.lower():
                raise _suspended(installation, full_name) from None
            raise
        expires_at = datetime.fromisoformat(str(made["expires_at"])).timestamp()
        told = next(iter(made.get("repositories") or ()), None)
        return _Token(SecretStr(str(made["token"])), expires_at, told)


def _check_installation(installation: Any, full_name: str) -> None:
    if installation.get("suspended_at"):
        raise _suspended(installation, full_name)
    granted = installation["permissions"]
    missing = [name for name in REQUIRED if granted.get(name) != "write"]
    if missing:
        rights = " and ".join(name.replace("_", " ").capitalize() for name in missing)
        raise ForgeForbidden(
            f"The App may not write {rights} in {full_name}.",
            _accept_hint(f"Read and write for {rights}", installation, full_name),
        )


def _accept_hint(rights: str, installation: Any, full_name: str) -> str:
    page = installation.get("html_url", "its installation")
    accepting = f"the owner of {full_name} then accepts that at {page}."
    return f"Give the App {rights} in its settings; {accepting}"


def _narrowed(wanted: Mapping[str, str], granted: Mapping[str, str]) -> dict[str, str]:
    """Asking for more than there is would be refused whole."""
    return {
        name: level if granted[name] == "write" else "read"
        for name, level in wanted.items()
        if name in granted
    }


def _not_installed(full_name: str) -> AppNotInstalled:
    return AppNotInstalled(f"The App is not installed on {full_name}, or there is no such name.")


def _suspended(installation: Any, full_name: str) -> AppSuspended:
    owner = installation.get("account", {}).get("login") or full_name.partition("/")[0]
    text = f"The App's installation for {full_name} is suspended."
    return AppSuspended(text, _SUSPENDED_HINT.format(owner))
