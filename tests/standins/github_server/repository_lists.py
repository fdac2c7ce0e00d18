"""Lists of the repositories that a token is for."""

from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from tests.standins.github_server.apps import HostedApp
from tests.standins.github_server.pages import page_of
from tests.standins.github_server.payloads import Shapes
from tests.standins.github_server.problems import problem
from tests.standins.github_server.repository import HostedRepository


class ListingForge(Protocol):
    """What the calls need of the server."""

    token: str
    app: HostedApp | None
    shapes: Shapes

    def repositories(self) -> list[HostedRepository]: ...


class RepositoryLists:
    """Routes for an account's token, and for those of an App's installation."""

    def __init__(self, forge: ListingForge) -> None:
        self._forge = forge

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/api/v3/user/repos", self._of_account),
            Route("/api/v3/installation/repositories", self._of_installation),
        ]

    async def _of_account(self, request: Request) -> Response:
        if _token(request) != self._forge.token:
            return problem(401, "Requires authentication")
        return JSONResponse(list(page_of(request, self._rows("")[::-1])))

    async def _of_installation(self, request: Request) -> Response:
        app = self._forge.app
        if app is None or not app.opens(_token(request), ""):
            return problem(401, "Bad credentials")
        rows = self._rows(app.owner)
        page = list(page_of(request, rows))
        return JSONResponse({"total_count": len(rows), "repositories": page})

    def _rows(self, owner: str) -> list[dict[str, Any]]:
        """All of them; later ones were pushed to later."""
        hosted = self._forge.repositories()
        found = [each for each in hosted if owner in ("", each.owner)]
        return [
            {**self._forge.shapes.repository(each), "pushed_at": f"2026-01-01T{_clock(number)}Z"}
            for number, each in enumerate(found)
        ]


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}:00"


def _token(request: Request) -> str:
    return request.headers.get("authorization", "").partition(" ")[2]
