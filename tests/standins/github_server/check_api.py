"""Check runs of the local forge, which an App alone makes."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from tests.standins.github_server.apps import HostedApp
from tests.standins.github_server.pages import page_of
from tests.standins.github_server.payloads import Json
from tests.standins.github_server.problems import problem
from tests.standins.github_server.repository import HostedRepository
from tests.standins.github_server.tags import tagged

Handler = Callable[[Request, HostedRepository], Awaitable[Response]]
_LONGEST = 65_535
_FIELDS = ("name", "head_sha", "status", "conclusion", "started_at", "completed_at", "output")


class CheckingForge(Protocol):
    """What the calls need of the server."""

    app: HostedApp | None

    def login_of(self, request: Request) -> str: ...


class CheckApi:
    """Routes below a repository; `on` lets a handler be called by who may."""

    def __init__(
        self,
        forge: CheckingForge,
        on: Callable[[Handler], Callable[[Request], Awaitable[Response]]],
    ) -> None:
        self._forge = forge
        self._on = on

    def routes(self, repo: str) -> list[BaseRoute]:
        one = f"{repo}/check-runs/{{id:int}}"
        return [
            Route(f"{repo}/check-runs", self._on(self._create), methods=["POST"]),
            Route(one, self._on(self._edit), methods=["PATCH"]),
            Route(f"{repo}/commits/{{commit}}/check-runs", self._on(self._list)),
        ]

    async def _create(self, request: Request, repository: HostedRepository) -> Response:
        if refused := self._refusal(request):
            return refused
        asked = await request.json()
        if _is_too_long(asked):
            return problem(422, "Invalid request.")
        assert self._forge.app
        rows = [row for listed in repository.checks.values() for row in listed]
        made = {
            "id": 1 + max((row["id"] for row in rows), default=0),
            "app": {"slug": self._forge.app.slug},
            "conclusion": None,
            **{name: asked[name] for name in _FIELDS if name in asked},
        }
        repository.checks.setdefault(asked["head_sha"], []).append(made)
        return JSONResponse(made, 201)

    async def _edit(self, request: Request, repository: HostedRepository) -> Response:
        if refused := self._refusal(request):
            return refused
        number, asked = request.path_params["id"], await request.json()
        if _is_too_long(asked):
            return problem(422, "Invalid request.")
        rows = [row for listed in repository.checks.values() for row in listed]
        found = next((row for row in rows if row["id"] == number), None)
        if found is None:
            return problem(404, "Not Found")
        found |= {name: asked[name] for name in _FIELDS if name in asked}
        return JSONResponse(found)

    async def _list(self, request: Request, repository: HostedRepository) -> Response:
        found = repository.checks.get(request.path_params["commit"], [])
        if name := request.query_params.get("check_name"):
            found = [row for row in found if row["name"] == name]
        return tagged(request, {"total_count": len(found), "check_runs": page_of(request, found)})

    def _refusal(self, request: Request) -> Response | None:
        app = self._forge.app
        if app is None or self._forge.login_of(request) != f"{app.slug}[bot]":
            return problem(403, "You must authenticate via a GitHub App.")
        if app.permissions.get("checks") != "write":
            return problem(403, "Resource not accessible by integration")
        return None


def _is_too_long(asked: Json) -> bool:
    return len(asked.get("output", {}).get("summary", "")) > _LONGEST
