"""A forge on this machine: git over HTTP and the REST calls a run makes, really served.

It speaks as a GitHub Enterprise does: `GITHUB_API_URL=<address>/api/v3`. Pull requests are kept in
memory, repositories in a folder that goes away with the server.
"""

import asyncio
import re
import shutil
import socket
import tempfile
import threading
import time
from base64 import b64decode, b64encode
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from demo.git_http import serve_git, unauthorized
from tests.standins.github_contract.held_app import HeldApp
from tests.standins.github_server.app_api import AppApi
from tests.standins.github_server.apps import HostedApp
from tests.standins.github_server.pages import LinkedPages
from tests.standins.github_server.payloads import Shapes
from tests.standins.github_server.problems import moved_to
from tests.standins.github_server.repository import HostedPull, HostedRepository, host, host_fork
from tests.standins.github_server.repository_lists import RepositoryLists
from tests.standins.github_server.rest_api import ForgeApi

_NUMBERED: Final = re.compile(r"/api/v3/repositories/(\d+)")
_GIT_ROUTE: Final = "/{owner}/{name}.git/{service:path}"


@dataclass(frozen=True)
class LoggedRequest:
    """One request that reached the server; `authorization` is the header's scheme alone."""

    method: str
    path: str
    query: str
    authorization: str


class ForgeServer:
    """Serves from a thread of its own, so that nothing its caller does holds it up."""

    def __init__(self, *, token: str, login: str = "coding-agent", user_id: int = 4711) -> None:
        self.token = token
        self.app: HostedApp | None = None
        self.keys: dict[str, list[str]] = {}
        """The App that may ask beside the token's account."""
        self.conversions: dict[str, dict[str, Any]] = {}
        """Apps that are about to be made, by GitHub's code for each."""
        self.requests: list[LoggedRequest] = []
        self.fork_delay_s = 0.0
        """How long a new fork is not there yet."""
        self._hosted: dict[str, HostedRepository] = {}
        self._moved: dict[str, str] = {}
        self._ids = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        # Accepted sockets inherit it. asyncio sets it only where a socket says that it is TCP.
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.api_url = f"{self.address}/api/v3"
        self.shapes = Shapes(self.address, self.api_url, login, user_id)
        self._app = Starlette(
            routes=[
                *AppApi(self).routes(),
                *RepositoryLists(self).routes(),
                *ForgeApi(self).routes(),
                Route("/{owner}/{name}/pull/{number:int}", self._show_pull),
                Route("/signed/{owner}/{name}/{id}", self._show_attachment),
                Route("/logs/{owner}/{name}/{number:int}", self._show_log),
                Route(_GIT_ROUTE, self._git, methods=["GET", "POST"]),
            ],
            middleware=[Middleware(LinkedPages)],
        )
        self._held_app = HeldApp(self._app)
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._serve,
                interface="asgi3",
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=1,
            )
        )
        self._thread = threading.Thread(target=self._run, name="forge-server")

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.start)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.stop)

    def start(self) -> None:
        """Connections are taken from here on; whoever comes early waits for the first answer."""
        self._folder = Path(tempfile.mkdtemp(prefix="forge-"))
        self._thread.start()

    def stop(self) -> None:
        """End what runs and remove what was hosted."""
        self._server.should_exit = self._server.force_exit = True
        self._thread.join()
        self._listener.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def add_repository(self, full_name: str, source: Path, **facts: Any) -> HostedRepository:
        """Host a copy of a git repository. `facts`: `private`, `archived`, `push`, `drafts`."""
        self._ids += 1
        repository = await host(self._ids, full_name, source, self._folder, **facts)
        self._hosted[full_name.lower()] = repository
        self._moved.pop(full_name.lower(), None)
        return repository

    def add_name(self, full_name: str, like: HostedRepository) -> None:
        """Host a repository that shares another's files."""
        self._ids += 1
        self._hosted[full_name.lower()] = replace(like, id=self._ids, full_name=full_name)

    async def fork(self, parent: HostedRepository) -> HostedRepository:
        """The signed-in account's fork: the one it has, or a new one."""
        login = str(self.shapes.user()["login"])
        for repository in self._hosted.values():
            if repository.parent is parent and repository.owner == login:
                return repository
        self._ids += 1
        name, ready_at = f"{login}/{parent.name}", time.monotonic() + self.fork_delay_s
        fork = await host_fork(self._ids, name, parent, self._folder, ready_at)
        self._hosted[name.lower()] = fork
        return fork

    async def add_fork(self, full_name: str, parent: HostedRepository) -> HostedRepository:
        """Host somebody else's fork, to which the signed-in account has no right of its own."""
        self._ids += 1
        fork = await host_fork(self._ids, full_name, parent, self._folder, time.monotonic())
        fork.push = False
        self._hosted[full_name.lower()] = fork
        return fork

    def forget_all(self) -> None:
        """Be as if nothing had been hosted or asked."""
        self._hosted.clear()
        self._moved.clear()
        self.requests.clear()
        self.app = None
        self.fork_delay_s = 0.0

    def rename(self, repository: HostedRepository, full_name: str) -> None:
        """Give a repository another name; the old one leads there by 301."""
        old = repository.full_name.lower()
        repository.full_name = full_name
        self._hosted[full_name.lower()] = self._hosted.pop(old)
        self._moved[old] = full_name

    def find(self, full_name: str) -> HostedRepository | None:
        repository = self._hosted.get(full_name.lower())
        return repository if repository and repository.ready_at <= time.monotonic() else None

    def repositories(self) -> list[HostedRepository]:
        return list(self._hosted.values())

    @property
    def unchanged(self) -> int:
        """How often somebody was told that nothing has changed."""
        return int(getattr(self._app.state, "unchanged", 0))

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._held_app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._name_repository(scope)
        request = Request(scope)
        self.requests.append(
            LoggedRequest(
                request.method,
                request.url.path,
                request.url.query,
                request.headers.get("authorization", "").partition(" ")[0],
            )
        )
        if moved := self._redirect(request):
            await HeldApp(moved)(scope, receive, send)
        else:
            await self.handle(scope, receive, send)

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._listener]))

    def _name_repository(self, scope: Scope) -> None:
        """Take a repository's number, which the API leads to, for its name."""
        found = _NUMBERED.match(scope["path"])
        for repository in self._hosted.values() if found else ():
            if found and repository.id == int(found[1]):
                name = f"/api/v3/repos/{repository.full_name}"
                raw_rest, rest = scope["raw_path"][found.end() :], scope["path"][found.end() :]
                scope.update(path=name + rest, raw_path=name.encode() + raw_rest)

    def _redirect(self, request: Request) -> Response | None:
        """What leads from a repository's old name to it: the API by its number, git by its name."""
        query = f"?{request.url.query}" if request.url.query else ""
        for old, new in self._moved.items():
            number = self._hosted[new.lower()].id
            places = {
                f"/api/v3/repos/{old}": f"/api/v3/repositories/{number}",
                f"/{old}.git": f"/{new}.git",
            }
            for start, place in places.items():
                path = request.url.path
                if path.lower() == start or path.lower().startswith(f"{start}/"):
                    address = f"{self.address}{place}{path[len(start) :]}{query}"
                    return moved_to(address, request.method)
        return None

    async def _git(self, request: Request) -> Response:
        names = request.path_params
        repository = self.find(f"{names['owner']}/{names['name']}")
        refused = _git_refusal(request, repository, self._git_token(request))
        if refused or repository is None:
            return refused or Response(status_code=404)
        if request.query_params.get("service") == "git-upload-pack":
            await repository.show_pulls()
        return await serve_git(request, repository.git_dir)

    def login_of(self, request: Request) -> str:
        """Whose token is asking."""
        token = request.headers.get("authorization", "").partition(" ")[2]
        if self.app and token != self.token:
            return f"{self.app.slug}[bot]"
        return str(self.shapes.user()["login"])

    def _git_token(self, request: Request) -> str:
        """What git may sign in with: the token, or that of the App which it sent."""
        names, sent = request.path_params, request.headers.get("authorization", "")
        scheme, _, pair = sent.partition(" ")
        if self.app and scheme == "Basic":
            token = b64decode(pair).decode().partition(":")[2]
            if self.app.opens(token, f"{names['owner']}/{names['name']}", pushes=_pushes(request)):
                return token
        return self.token

    async def _show_log(self, request: Request) -> Response:
        """Where logs lie; what signs in at the API is refused there."""
        names = request.path_params
        repository = self.find(f"{names['owner']}/{names['name']}")
        text = repository.logs.get(names["number"]) if repository else None
        if text is None or "authorization" in request.headers:
            return PlainTextResponse("", 403)
        return PlainTextResponse(text)

    async def _show_attachment(self, request: Request) -> Response:
        names = request.path_params
        repository = self.find(f"{names['owner']}/{names['name']}")
        attachment = repository.attachments.get(names["id"]) if repository else None
        return await attachment.answer(request) if attachment else Response(status_code=404)

    async def _show_pull(self, request: Request) -> Response:
        names = request.path_params
        repository = self.find(f"{names['owner']}/{names['name']}")
        pull: HostedPull | None = repository.pulls.get(names["number"]) if repository else None
        if pull is None:
            return PlainTextResponse("Not Found", 404)
        return PlainTextResponse(f"{pull.title}\n\n{pull.body}\n")


def _git_refusal(
    request: Request, repository: HostedRepository | None, token: str
) -> Response | None:
    """What GitHub answers to who may not read or push, None where the request may go on."""
    pair = b64encode(f"x-access-token:{token}".encode()).decode()
    sent = request.headers.get("authorization")
    pushes = _pushes(request)
    if sent is not None and sent != f"Basic {pair}":
        return unauthorized()
    if sent is None and (repository is None or repository.private or pushes):
        return unauthorized()
    if repository is None:
        return Response("Repository not found.", 404, media_type="text/plain")
    parent = repository.parent
    may_push = repository.push or (parent is not None and parent.takes_edits_of(repository))
    if pushes and (not may_push or repository.archived):
        said = f"Permission to {repository.full_name}.git denied."
        return Response(said, 403, media_type="text/plain")
    return None


def _pushes(request: Request) -> bool:
    services = (request.path_params["service"], request.query_params.get("service"))
    return "git-receive-pack" in services
