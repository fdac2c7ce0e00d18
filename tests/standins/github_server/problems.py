"""Errors as GitHub tells them."""

from typing import Any

from starlette.responses import JSONResponse

_DOCS = "https://docs.github.com/rest"


def problem(status: int, message: str, **more: Any) -> JSONResponse:
    """An error as GitHub tells it."""
    return JSONResponse({"message": message, **more, "documentation_url": _DOCS}, status)


def moved_to(place: str, method: str) -> JSONResponse:
    """Where what was asked for lies now; a write is to be sent there once more."""
    status, said = (301, "Moved Permanently") if method == "GET" else (307, "Temporary Redirect")
    answer = problem(status, said, url=place)
    answer.headers["Location"] = place
    return answer


def invalid(name: str) -> JSONResponse:
    """A field of a new pull request that names what is not there."""
    error = {"resource": "PullRequest", "field": name, "code": "invalid"}
    return problem(422, "Validation Failed", errors=[error])


def unprocessable(message: str) -> JSONResponse:
    """A rule of pull requests that is told by words."""
    error = {"resource": "PullRequest", "code": "custom", "message": message}
    return problem(422, "Validation Failed", errors=[error])
