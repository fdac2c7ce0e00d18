"""What a token of GitHub belongs to and is a member of, asked of PyGithub's client."""

from typing import Any, Final
from urllib.parse import quote

from forge.core.forge import Account

UNKNOWN: Final = Account("coding-agent <coding-agent@invalid>", user=False)
"""Of a token whose account cannot be asked for: an author is for show alone."""
_PAGE: Final = 100
"""Rows."""
_MOST_PAGES: Final = 10
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


def read_own_author(pull: Any, login: str) -> Account | None:
    """The App's account, where a pull request was opened by it."""
    if not login or pull.user is None or pull.user.login != login:
        return None
    return Account(_author(login, int(pull.user.id)), user=False)


def read_signing_keys(github: Any, login: str) -> tuple[str, ...]:
    """The keys of SSH and of GPG that an account has put there to be verified by."""
    user = f"/users/{quote(login, safe='')}"
    _, ssh = github.requester.requestJsonAndCheck("GET", f"{user}/ssh_signing_keys")
    _, gpg = github.requester.requestJsonAndCheck("GET", f"{user}/gpg_keys")
    return (*(str(row["key"]) for row in ssh), *(str(row.get("raw_key") or "") for row in gpg))


def read_own_repositories(github: Any, limit: int) -> list[Any]:
    """The repositories that a person or a machine is a member of, the last pushed first.

    So many that `limit` are not archived; of the newest thousand.
    """
    rows: list[Any] = []
    for page in range(1, _MOST_PAGES + 1):
        path = f"/user/repos?sort=pushed&per_page={_PAGE}&page={page}"
        found = github.requester.requestJsonAndCheck("GET", path)[1]
        rows += found
        live = sum(not row["archived"] for row in rows)
        if live >= limit or len(found) < _PAGE:
            break
    return rows


def read_installed(github: Any) -> list[Any]:
    """The repositories that an App's installation is for, in no order, at most a thousand."""
    rows: list[Any] = []
    for page in range(1, _MOST_PAGES + 1):
        path = f"/installation/repositories?per_page={_PAGE}&page={page}"
        found = github.requester.requestJsonAndCheck("GET", path)[1]
        rows += found["repositories"]
        if len(rows) >= found["total_count"] or not found["repositories"]:
            break
    return rows


def _author(login: str, number: int) -> str:
    return f"{login} <{number}+{login}@users.noreply.github.com>"
