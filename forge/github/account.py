"""The account that a token of GitHub belongs to, asked of PyGithub's client."""

from typing import Any, Final
from urllib.parse import quote

from forge.core.forge import Account

UNKNOWN: Final = Account("coding-agent <coding-agent@invalid>", user=False)
"""Of a token whose account cannot be asked for: an author is for show alone."""
_ACTIONS: Final = "github-actions[bot]"
_VIEWER: Final = "query { viewer { login databaseId } }"


def read_user(github: Any) -> Account:
    """The account of a person or a machine; an App's token is not told of one (403)."""
    user = github.get_user()
    return Account(_author(str(user.login), int(user.id)))


def read_bot(github: Any) -> Account:
    """The account of an App, whose token is that of an installation or of Actions."""
    _, answer = github.requester.graphql_query(_VIEWER, {})
    viewer = answer["data"]["viewer"]
    login = str(viewer["login"])
    author = _author(login, int(viewer["databaseId"]))
    return Account(author, user=False, starts_automation=login != _ACTIONS)


def read_signing_keys(github: Any, login: str) -> tuple[str, ...]:
    """The keys of SSH and of GPG that an account has put there to be verified by."""
    user = f"/users/{quote(login, safe='')}"
    _, ssh = github.requester.requestJsonAndCheck("GET", f"{user}/ssh_signing_keys")
    _, gpg = github.requester.requestJsonAndCheck("GET", f"{user}/gpg_keys")
    return (*(str(row["key"]) for row in ssh), *(str(row.get("raw_key") or "") for row in gpg))


def _author(login: str, number: int) -> str:
    return f"{login} <{number}+{login}@users.noreply.github.com>"
