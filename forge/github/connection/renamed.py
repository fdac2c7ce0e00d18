"""Calls to a repository that was renamed: GitHub says where it lies, and does nothing."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from forge.github.connection.connection import Api

_MOVED: Final = 301
_CONNECTION: Final = "_Requester__connectionClass"
"""Where PyGithub's requester has the kind of its connection."""


def send(github: "Api", verb: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """What GitHub answers to one write, at the repository's present place.

    PyGithub follows 301, which reads are answered, and takes 307, which writes are, for success.
    """
    headers, told = github.requester.requestJsonAndCheck(verb, path, input=body)
    if "location" in headers and isinstance(told, dict) and "documentation_url" in told:
        _, told = github.requester.requestJsonAndCheck(verb, headers["location"], input=body)
    return told


def keep_queries(github: "Api") -> None:
    """Let a client follow 301 with the query, which PyGithub leaves out."""
    parts = vars(github.requester)
    parts[_CONNECTION] = _following(parts[_CONNECTION])


@cache
def _following(connection: type[Any]) -> type[Any]:
    """A connection like PyGithub's own that itself follows what has a query."""

    def getresponse(self: Any) -> Any:
        return _follow(self, partial(connection.getresponse, self))

    return type("FollowingConnection", (connection,), {"getresponse": getresponse})


def _follow(connection: Any, ask: Callable[[], Any]) -> Any:
    """The answer at the present place, where that is on the same host; else the first."""
    answer = ask()
    if answer.status != _MOVED or connection.verb != "GET":
        return answer
    headers = {name.lower(): value for name, value in answer.getheaders()}
    place = urlsplit(headers.get("location", ""))
    here = (place.scheme, place.hostname) == (connection.protocol, connection.host)
    if not here or not place.query:
        return answer
    connection.url = f"{place.path}?{place.query}"
    return ask()
