"""GitHub Apps as the local forge knows them: keys, installations, tokens that end."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import jwt

Json = dict[str, Any]
ALL: Final[Mapping[str, str]] = {
    **dict.fromkeys(("contents", "pull_requests", "issues", "checks", "actions"), "write"),
    "metadata": "read",
}
_LONGEST_JWT_S: Final = 600
_NEVER: Final = "2020-01-01T00:00:00Z"


@dataclass
class MintedToken:
    """An installation token: where it opens, for what, and until when."""

    value: str
    repositories: frozenset[str]
    """Names without their owner, lower-case; empty: all."""
    permissions: Mapping[str, str]
    expires_at: float


@dataclass
class HostedApp:
    """One App with one installation, for all repositories of `owner`.

    `refused` are numbers of other installations, which get no token.
    """

    app_id: str
    public_key: str
    owner: str
    slug: str = "my-agent"
    installation_id: int = 77
    permissions: Mapping[str, str] = field(default_factory=lambda: ALL)
    suspended: bool = False
    refused: tuple[int, ...] = ()
    lasts_s: float = 3600
    minted: list[MintedToken] = field(default_factory=list)
    deliveries: list[Json] = field(default_factory=list)
    """Tries of its webhook, newest first."""
    redelivered: list[int] = field(default_factory=list)

    def signed(self, authorization: str) -> bool:
        """Whether a header holds a JWT of this App that GitHub would take."""
        scheme, _, token = authorization.partition(" ")
        try:
            claims = jwt.decode(token, self.public_key, algorithms=["RS256"], leeway=5)
        except jwt.PyJWTError:
            return False
        lasts_s = claims["exp"] - time.time()
        return scheme == "Bearer" and claims["iss"] == self.app_id and lasts_s <= _LONGEST_JWT_S

    def opens(self, token: str, full_name: str, *, pushes: bool = False) -> bool:
        """Whether a token of this App, still alive, is one for the repository, and for pushes."""
        owner, _, name = full_name.lower().partition("/")
        found = next((minted for minted in self.minted if minted.value == token), None)
        if found is None or found.expires_at <= time.time() or self.suspended:
            return False
        if pushes and found.permissions.get("contents") != "write":
            return False
        alone = not found.repositories or name in found.repositories
        return not full_name or (owner == self.owner.lower() and alone)

    def mint(self, asked: Json) -> MintedToken | None:
        """A new token; None where more is asked for than the installation has."""
        wanted = asked.get("permissions") or self.permissions
        if any(self._level(name) < _LEVELS[level] for name, level in wanted.items()):
            return None
        names = frozenset(str(name).lower() for name in asked.get("repositories", ()))
        value = f"ghs_{secrets.token_hex(18)}"
        self.minted.append(MintedToken(value, names, wanted, time.time() + self.lasts_s))
        return self.minted[-1]

    def end_tokens(self) -> None:
        """Let no token that was handed out open anything more."""
        for minted in self.minted:
            minted.expires_at = 0

    def installation(self, web: str) -> Json:
        return {
            "id": self.installation_id,
            "app_id": 1,
            "app_slug": self.slug,
            "account": {"login": self.owner, "type": "Organization"},
            "html_url": f"{web}/organizations/{self.owner}/settings/installations/77",
            "permissions": dict(self.permissions),
            "repository_selection": "all",
            "suspended_at": _NEVER if self.suspended else None,
        }

    def _level(self, name: str) -> int:
        return _LEVELS.get(self.permissions.get(name, ""), 0)


def token_answer(minted: MintedToken, repositories: list[Json]) -> Json:
    until = datetime.fromtimestamp(minted.expires_at, UTC)
    return {
        "token": minted.value,
        "expires_at": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "permissions": dict(minted.permissions),
        **({"repositories": repositories} if repositories else {}),
    }


_LEVELS: Final = {"read": 1, "write": 2}
