"""Comments, reactions and permissions of the local forge."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from tests.standins.github_attachments import FULL
from tests.standins.github_server.pages import page_of
from tests.standins.github_server.payloads import Json, Shapes
from tests.standins.github_server.problems import problem
from tests.standins.github_server.repository import HostedComment, HostedRepository, now
from tests.standins.github_server.tags import tagged

Handler = Callable[[Request, HostedRepository], Awaitable[Response]]


class ConversingForge(Protocol):
    """What the calls need of the server."""

    shapes: Shapes
    address: str
    api_url: str

    def login_of(self, request: Request) -> str: ...


class ConversationApi:
    """Routes below a repository; `on` lets a handler be called by who may."""

    def __init__(
        self,
        forge: ConversingForge,
        on: Callable[[Handler], Callable[[Request], Awaitable[Response]]],
    ) -> None:
        self._forge = forge
        self._on = on

    def routes(self, repo: str) -> list[BaseRoute]:
        comments = f"{repo}/issues/{{number:int}}/comments"
        review = f"{repo}/pulls/{{number:int}}/reviews/{{id:int}}"
        reactions = "{number:int}/reactions"
        return [
            Route(f"{repo}/collaborators/{{login}}/permission", self._on(self._permission)),
            Route(comments, self._on(self._list), methods=["GET"]),
            Route(comments, self._on(self._create), methods=["POST"]),
            Route(f"{repo}/commits/{{commit}}/status", self._on(self._statuses)),
            Route(f"{repo}/commits/{{commit}}/pulls", self._on(self._pulls)),
            Route(f"{repo}/commits/{{commit}}", self._on(self._commit)),
            Route(f"{repo}/actions/runs", self._on(self._workflows)),
            Route(f"{repo}/actions/jobs/{{number:int}}/logs", self._on(self._log)),
            Route(
                f"{repo}/actions/runs/{{number:int}}/rerun-failed-jobs",
                self._on(self._rerun),
                methods=["POST"],
            ),
            Route(review, self._on(self._review)),
            Route(f"{review}/comments", self._on(self._lines)),
            Route(f"{repo}/pulls/comments/{{id:int}}", self._on(self._line)),
            Route(
                f"{repo}/pulls/{{number:int}}/comments/{{id:int}}/replies",
                self._on(self._reply),
                methods=["POST"],
            ),
            Route(f"{repo}/issues/comments/{{id:int}}", self._on(self._get), methods=["GET"]),
            Route(f"{repo}/issues/comments/{{id:int}}", self._on(self._edit), methods=["PATCH"]),
            *(
                Route(f"{repo}/{place}/{reactions}", self._on(self._react), methods=["POST"])
                for place in ("issues", "issues/comments", "pulls/comments")
            ),
        ]

    async def _permission(self, request: Request, repository: HostedRepository) -> Response:
        login = request.path_params["login"]
        level = repository.permissions.get(login, "none")
        return JSONResponse({"permission": level, "user": self._forge.shapes.user(login)})

    async def _list(self, request: Request, repository: HostedRepository) -> Response:
        number = request.path_params["number"]
        found = [each for each in repository.comments.values() if each.issue == number]
        return JSONResponse([self._comment(repository, each) for each in page_of(request, found)])

    async def _create(self, request: Request, repository: HostedRepository) -> Response:
        if request.path_params["number"] not in {*repository.issues, *repository.pulls}:
            return problem(404, "Not Found")
        body = str((await request.json())["body"])
        author = self._forge.login_of(request)
        made = repository.say(request.path_params["number"], author, body)
        return JSONResponse(self._comment(repository, made), 201)

    async def _review(self, request: Request, repository: HostedRepository) -> Response:
        found = repository.reviews.get(request.path_params["id"])
        return JSONResponse(self._full(request, repository, found[0])) if found else _gone()

    async def _lines(self, request: Request, repository: HostedRepository) -> Response:
        lines = repository.reviews.get(request.path_params["id"], [])[1:]
        return JSONResponse(page_of(request, lines))

    async def _statuses(self, request: Request, repository: HostedRepository) -> Response:
        commit = request.path_params["commit"]
        found = repository.statuses.get(commit, [])
        states = {each["state"] for each in found}
        state = "success" if states == {"success"} else "pending"
        state = "failure" if states & {"failure", "error"} else state
        rows = page_of(request, found)
        return tagged(
            request,
            {"state": state, "statuses": rows, "sha": commit, "total_count": len(found)},
        )

    async def _pulls(self, request: Request, repository: HostedRepository) -> Response:
        commit = request.path_params["commit"]
        found = [pull for pull in repository.pulls.values() if pull.head_sha == commit]
        rows = [self._forge.shapes.listed_pull(repository, pull) for pull in found]
        return JSONResponse(page_of(request, rows))

    async def _commit(self, request: Request, repository: HostedRepository) -> Response:
        sha = request.path_params["commit"]
        login = repository.authors.get(sha)
        author = self._forge.shapes.user(login) if login else None
        email = repository.emails.get(sha, f"{login}@users.noreply.github.com")
        return JSONResponse({"sha": sha, "author": author, "commit": {"author": {"email": email}}})

    async def _workflows(self, request: Request, repository: HostedRepository) -> Response:
        """Every commit has the same; `workflows` tells how each ended."""
        head = request.query_params["head_sha"]
        rows = [
            {"id": number, "head_sha": head, "status": "completed", "conclusion": conclusion}
            for number, conclusion in enumerate(repository.workflows, start=1)
        ]
        return JSONResponse({"total_count": len(rows), "workflow_runs": page_of(request, rows)})

    async def _log(self, request: Request, repository: HostedRepository) -> Response:
        """Logs lie elsewhere: the answer leads there, and nobody signs in."""
        number = request.path_params["number"]
        if number not in repository.logs:
            return problem(404, "Not Found")
        place = f"{self._forge.address}/logs/{repository.full_name}/{number}"
        return Response(status_code=302, headers={"Location": place})

    async def _rerun(self, request: Request, repository: HostedRepository) -> Response:
        repository.reruns.append(request.path_params["number"])
        return JSONResponse({}, 201)

    async def _get(self, request: Request, repository: HostedRepository) -> Response:
        comment = repository.comments.get(request.path_params["id"])
        if comment is None:
            return problem(404, "Not Found")
        shown = self._comment(repository, comment)
        if request.headers.get("accept") == FULL:
            shown["body_html"] = self._forge.shapes.attachments(repository, comment.body)
        return JSONResponse(shown)

    async def _edit(self, request: Request, repository: HostedRepository) -> Response:
        comment = repository.comments.get(request.path_params["id"])
        if comment is None:
            return problem(404, "Not Found")
        comment.body, comment.updated_at = str((await request.json())["body"]), now()
        return JSONResponse(self._comment(repository, comment))

    async def _line(self, request: Request, repository: HostedRepository) -> Response:
        found = repository.find_line(request.path_params["id"])
        return JSONResponse(self._full(request, repository, found)) if found else _gone()

    def _full(self, request: Request, repository: HostedRepository, row: Json) -> Json:
        """A row, with its text as it is shown where that is asked for."""
        if request.headers.get("accept") != FULL:
            return row
        return {**row, "body_html": self._forge.shapes.attachments(repository, row["body"])}

    async def _reply(self, request: Request, repository: HostedRepository) -> Response:
        """As on GitHub, the comment that begins a thread alone is replied to."""
        found = repository.find_line(request.path_params["id"])
        if found is None or found.get("in_reply_to_id"):
            return problem(404, "Not Found")
        comment, body = request.path_params["id"], str((await request.json())["body"])
        repository.replies.append((comment, body))
        made = {"id": 5000 + len(repository.replies), "body": body, "in_reply_to_id": comment}
        return JSONResponse(made, 201)

    async def _react(self, request: Request, repository: HostedRepository) -> Response:
        """The same reaction again is answered by the one that there is."""
        place = request.url.path.split(f"{repository.full_name}/")[1].removesuffix("/reactions")
        content = str((await request.json())["content"])
        known = (place, content) in repository.reactions
        if not known:
            repository.reactions.append((place, content))
        return JSONResponse({"id": 1, "content": content}, 200 if known else 201)

    def _comment(self, repository: HostedRepository, comment: HostedComment) -> Json:
        comments = f"{self._forge.api_url}/repos/{repository.full_name}/issues/comments"
        return {
            "id": comment.id,
            "body": comment.body,
            "user": self._forge.shapes.user(comment.author),
            "created_at": comment.created_at,
            "updated_at": comment.updated_at,
            "url": f"{comments}/{comment.id}",
        }


def _gone() -> Response:
    return problem(404, "Not Found")
