"""Writes to a repository that was renamed: GitHub says where it lies, and does nothing."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forge.github.connection.connection import Api


def send(github: "Api", verb: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """What GitHub answers to one write, at the repository's present place.

    PyGithub follows 301, which reads are answered, and takes 307, which writes are, for success.
    """
    headers, told = github.requester.requestJsonAndCheck(verb, path, input=body)
    if "location" in headers and isinstance(told, dict) and "documentation_url" in told:
        _, told = github.requester.requestJsonAndCheck(verb, headers["location"], input=body)
    return told
