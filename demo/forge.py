"""A forge with one repository: git over HTTP, and the calls of GitHub's API that a demo makes."""

import asyncio
from base64 import b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from demo.git import git
from demo.git_http import serve_git, unauthorized

Json = dict[str, Any]
_API: Final = "/api/v3/"
_DOCS: Final = "https://docs.github.com/rest"


@dataclass
class DemoForge:
    """The repository `name` in the bare `git_dir`; its pull request once there is one.

    It speaks as a GitHub Enterprise does: `GITHUB_API_URL=<address>/api/v3`.
    """

    name: str
    branch: str
    git_dir: Path
    token: str
    pull: Json | None = field(default=None, init=False)
    comments: list[str] = field(default_factory=list, init=False)

    def app(self) -> Starlette:
        repo = f"{_API}repos/{self.name}"
        return Starlette(
            routes=[
                Route("/api/v3/user", self._account),
                Route(repo, self._repository),
                Route(f"{repo}/commits", self._list_commits),
                Route(f"{repo}/rules/branches/{{branch:path}}", self._list_rules),
                Route(f"{repo}/pulls", self._list_pulls, methods=["GET"]),
                Route(f"{repo}/pulls", self._create_pull, methods=["POST"]),
                Route(f"{repo}/issues/1/comments", self._add_comment, methods=["POST"]),
                Route(f"{_API}{{rest:path}}", self._unknown, methods=["GET", "POST", "PATCH"]),
                Route(f"/{self.name}.git/{{service:path}}", self._git, methods=["GET", "POST"]),
            ],
            middleware=[Middleware(BaseHTTPMiddleware, dispatch=self._sign_in)],
        )

    async def _sign_in(self, request: Request, go_on: RequestResponseEndpoint) -> Response:
        pair = b64encode(f"x-access-token:{self.token}".encode()).decode()
        allowed = (f"token {self.token}", f"Bearer {self.token}", f"Basic {pair}")
        if request.headers.get("authorization") not in allowed:
            of_api = request.url.path.startswith(_API)
            return _problem(401, "Bad credentials") if of_api else unauthorized()
        return await go_on(request)

    async def _account(self, _: Request) -> Response:
        return JSONResponse({"login": "coding-agent", "id": 4711})

    async def _repository(self, _: Request) -> Response:
        facts = {"id": 1, "full_name": self.name, "default_branch": self.branch}
        rights = {"archived": False, "private": True, "permissions": {"push": True}}
        return JSONResponse(facts | rights)

    async def _list_commits(self, request: Request) -> Response:
        """The newest commits of a branch, as far as anybody asks: none of them is a merge."""
        asked = request.query_params.get("sha", self.branch)
        words = ("log", "-z", "--max-count=30", "--format=%H%n%B", f"refs/heads/{asked}", "--")
        told = await asyncio.to_thread(git, self.git_dir, *words)
        rows = [row.partition("\n") for row in told.split("\0") if row]
        return JSONResponse(
            [
                {"sha": sha, "commit": {"message": said.strip()}, "parents": []}
                for sha, _, said in rows
            ]
        )

    async def _list_rules(self, _: Request) -> Response:
        return JSONResponse([])

    async def _unknown(self, _: Request) -> Response:
        return _problem(404, "Not Found")

    async def _list_pulls(self, _: Request) -> Response:
        return JSONResponse([self.pull] if self.pull else [])

    async def _create_pull(self, request: Request) -> Response:
        asked = await request.json()
        if asked["head"] == asked["base"]:
            return _problem(422, "Validation Failed")
        owner, _, head = f"{self.name.partition('/')[0]}:{asked['head']}".rpartition(":")
        self.pull = {
            "number": 1,
            "html_url": f"{request.base_url}{self.name}/pull/1",
            "title": asked["title"],
            "body": asked["body"],
            "draft": asked["draft"],
            "base": {"ref": asked["base"]},
            "head": {"ref": head, "label": f"{owner}:{head}"},
        }
        return JSONResponse(self.pull, 201)

    async def _add_comment(self, request: Request) -> Response:
        self.comments.append(str((await request.json())["body"]))
        return JSONResponse({"id": len(self.comments)}, 201)

    async def _git(self, request: Request) -> Response:
        return await serve_git(request, self.git_dir)


def _problem(status: int, message: str) -> Response:
    """An error as GitHub tells it."""
    return JSONResponse({"message": message, "documentation_url": _DOCS}, status)
