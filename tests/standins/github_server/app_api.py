"""The calls of GitHub's REST API that an App makes with its key."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from tests.standins.github_server.apps import HostedApp, token_answer
from tests.standins.github_server.payloads import Shapes
from tests.standins.github_server.problems import problem
from tests.standins.github_server.repository import HostedRepository


class AppForge(Protocol):
    """What the calls need of the server."""

    app: HostedApp | None
    conversions: dict[str, dict[str, Any]]
    address: str
    shapes: Shapes

    def find(self, full_name: str) -> HostedRepository | None: ...


Handler = Callable[[Request, HostedApp], Awaitable[Response]]


class AppApi:
    """Routes for who signs with an App's key."""

    def __init__(self, forge: AppForge) -> None:
        self._forge = forge

    def routes(self) -> list[BaseRoute]:
        tokens = "/api/v3/app/installations/{number:int}/access_tokens"
        of_repository = "/api/v3/repos/{owner}/{name}/installation"
        return [
            Route("/api/v3/app-manifests/{code}/conversions", self._convert, methods=["POST"]),
            Route("/api/v3/app/hook/deliveries", self._on(self._deliveries)),
            Route(
                "/api/v3/app/hook/deliveries/{number:int}/attempts",
                self._on(self._redeliver),
                methods=["POST"],
            ),
            Route("/api/v3/app", self._on(self._app)),
            Route("/api/v3/app/installations", self._on(self._installations)),
            Route(tokens, self._on(self._mint), methods=["POST"]),
            Route(of_repository, self._on(self._of_repository)),
        ]

    def _on(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def call(request: Request) -> Response:
            app = self._forge.app
            if app is None or not app.signed(request.headers.get("authorization", "")):
                return problem(401, "A JSON web token could not be decoded")
            return await handler(request, app)

        return call

    async def _convert(self, request: Request) -> Response:
        """Each code is good for one call, which nobody signs."""
        made = self._forge.conversions.pop(request.path_params["code"], None)
        return JSONResponse(made, 201) if made else problem(404, "Not Found")

    async def _deliveries(self, request: Request, app: HostedApp) -> Response:
        query = request.query_params
        begin, size = int(query.get("cursor", "0")), min(int(query.get("per_page", "30")), 100)
        answer = JSONResponse(app.deliveries[begin : begin + size])
        if begin + size < len(app.deliveries):
            following = request.url.include_query_params(cursor=begin + size)
            answer.headers["Link"] = f'<{following}>; rel="next"'
        return answer

    async def _redeliver(self, request: Request, app: HostedApp) -> Response:
        app.redelivered.append(request.path_params["number"])
        return JSONResponse({}, 202)

    async def _app(self, _: Request, app: HostedApp) -> Response:
        return JSONResponse({"id": 1, "slug": app.slug, "name": app.slug, "permissions": {}})

    async def _installations(self, _: Request, app: HostedApp) -> Response:
        own = app.installation(self._forge.address)
        return JSONResponse([*({**own, "id": number} for number in app.refused), own])

    async def _of_repository(self, request: Request, app: HostedApp) -> Response:
        names = request.path_params
        found = self._forge.find(f"{names['owner']}/{names['name']}")
        if found is None or found.owner.lower() != app.owner.lower():
            return problem(404, "Not Found")
        return JSONResponse(app.installation(self._forge.address))

    async def _mint(self, request: Request, app: HostedApp) -> Response:
        if app.suspended or request.path_params["number"] in app.refused:
            return problem(403, "This installation has been suspended")
        asked = await request.json()
        named = [self._forge.find(f"{app.owner}/{name}") for name in asked.get("repositories", ())]
        repositories = [each for each in named if each]
        if len(repositories) < len(named):
            return problem(422, "There is at least one repository that does not exist.")
        minted = app.mint(asked)
        if minted is None:
            said = "The permissions requested are not granted to this installation."
            return problem(422, said)
        shown = [self._forge.shapes.repository(each) for each in repositories]
        return JSONResponse(token_answer(minted, shown), 201)
