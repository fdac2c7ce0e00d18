"""The calls of GitHub's REST API that a run makes, on repositories hosted here."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from tests.standins.github_attachments import FULL
from tests.standins.github_server.apps import HostedApp
from tests.standins.github_server.check_api import CheckApi
from tests.standins.github_server.conversations import ConversationApi
from tests.standins.github_server.key_api import KeyApi
from tests.standins.github_server.pages import page_of
from tests.standins.github_server.payloads import APP_USER, Shapes
from tests.standins.github_server.problems import invalid, problem, unprocessable
from tests.standins.github_server.repository import HostedPull, HostedRepository, now
from tests.standins.github_server.tags import tagged


class Forge(Protocol):
    """What the calls need of the server."""

    address: str
    api_url: str
    token: str
    app: HostedApp | None
    shapes: Shapes
    keys: dict[str, list[str]]

    def find(self, full_name: str) -> HostedRepository | None: ...

    def login_of(self, request: Request) -> str: ...

    def repositories(self) -> list[HostedRepository]: ...

    async def fork(self, parent: HostedRepository) -> HostedRepository: ...


Handler = Callable[[Request, HostedRepository], Awaitable[Response]]


class ForgeApi:
    """The routes below `/api/v3`, and the one mutation of GraphQL that a run needs."""

    def __init__(self, forge: Forge) -> None:
        self._forge = forge

    def routes(self) -> list[BaseRoute]:
        repo, pull = (
            "/api/v3/repos/{owner}/{name}",
            "/api/v3/repos/{owner}/{name}/pulls/{number:int}",
        )
        issue = "/api/v3/repos/{owner}/{name}/issues/{number:int}"
        return [
            Route("/api/v3/user", self._user),
            *KeyApi(self._forge.keys).routes(),
            Route(repo, self._on(self._repository)),
            Route(f"{repo}/branches/{{branch:path}}", self._on(self._branch)),
            Route(f"{repo}/commits", self._on(self._list_commits)),
            Route(f"{repo}/git/ref/heads/{{branch:path}}", self._on(self._ref)),
            Route(f"{repo}/rules/branches/{{branch:path}}", self._on(self._rules)),
            Route(f"{repo}/git/refs", self._on(self._create_ref), methods=["POST"]),
            Route(
                f"{repo}/git/refs/heads/{{branch:path}}",
                self._on(self._delete_ref),
                methods=["DELETE"],
            ),
            Route(f"{repo}/forks", self._on(self._fork, readers=True), methods=["POST"]),
            Route(f"{repo}/pulls", self._on(self._list_pulls), methods=["GET"]),
            Route(f"{repo}/pulls", self._on(self._create_pull, readers=True), methods=["POST"]),
            Route(pull, self._on(self._get_pull), methods=["GET"]),
            Route(pull, self._on(self._edit_pull, readers=True), methods=["PATCH"]),
            Route(f"{repo}/compare/{{ends}}", self._on(self._compare), methods=["GET"]),
            Route(f"{repo}/issues", self._on(self._list_issues), methods=["GET"]),
            Route(issue, self._on(self._get_issue), methods=["GET"]),
            Route(f"{issue}/labels", self._on(self._add_labels), methods=["POST"]),
            Route(f"{pull}/reviews", self._on(self._list_reviews), methods=["GET"]),
            Route(f"{pull}/reviews", self._on(self._review, readers=True), methods=["POST"]),
            Route(f"{pull}/requested_reviewers", self._on(self._ask_reviewers), methods=["POST"]),
            *CheckApi(self._forge, self._on_readers).routes(repo),
            *ConversationApi(self._forge, self._on_readers).routes(repo),
            Route("/api/graphql", self._graphql, methods=["POST"]),
        ]

    def _on_readers(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        return self._on(handler, readers=True)

    def _on(
        self, handler: Handler, *, readers: bool = False
    ) -> Callable[[Request], Awaitable[Response]]:
        """A handler that is called with the repository, once the caller may see it.

        `readers`: what it writes takes no right to push.
        """

        async def call(request: Request) -> Response:
            if refused := self._sign_in(request):
                return refused
            names = request.path_params
            repository = self._forge.find(f"{names['owner']}/{names['name']}")
            signed_in = "authorization" in request.headers
            if repository is None or (repository.private and not signed_in):
                return problem(404, "Not Found")
            if request.method != "GET":
                if not signed_in:
                    return problem(401, "Requires authentication")
                if repository.archived:
                    return problem(403, "Repository was archived so is read-only.")
                if not (repository.push or readers):
                    return problem(403, "Resource not accessible by personal access token")
            return await handler(request, repository)

        return call

    def _sign_in(self, request: Request) -> Response | None:
        sent = request.headers.get("authorization")
        allowed = (None, f"token {self._forge.token}", f"Bearer {self._forge.token}")
        if sent in allowed or self._is_apps(request):
            return None
        return problem(401, "Bad credentials")

    def _is_apps(self, request: Request) -> bool:
        """Whether a token of the App asks, of a repository that it is for."""
        names, app = request.path_params, self._forge.app
        token = request.headers.get("authorization", "").partition(" ")[2]
        full_name = f"{names['owner']}/{names['name']}" if "owner" in names else ""
        writes = bool(full_name) and request.method != "GET"
        return app is not None and app.opens(token, full_name, pushes=writes)

    async def _user(self, request: Request) -> Response:
        if refused := self._sign_in(request):
            return refused
        if "authorization" not in request.headers:
            return problem(401, "Requires authentication")
        if self._is_apps(request):
            return problem(403, "Resource not accessible by integration")
        return JSONResponse(self._forge.shapes.account())

    async def _repository(self, _: Request, repository: HostedRepository) -> Response:
        return JSONResponse(self._forge.shapes.repository(repository))

    async def _branch(self, request: Request, repository: HostedRepository) -> Response:
        name = request.path_params["branch"]
        sha = await repository.sha(name)
        if sha is None:
            return problem(404, "Branch not found")
        required = {"contexts": sorted(repository.required), "checks": []}
        protection = {"enabled": bool(repository.required), "required_status_checks": required}
        told = {"name": name, "commit": {"sha": sha}, "protected": bool(repository.required)}
        return JSONResponse({**told, "protection": protection})

    async def _list_commits(self, request: Request, repository: HostedRepository) -> Response:
        query = request.query_params
        branch = query.get("sha", repository.default_branch)
        if await repository.sha(branch) is None:
            return problem(404, "Not Found")
        commits = page_of(request, await repository.commits(branch))
        return JSONResponse([self._forge.shapes.commit(repository, *each) for each in commits])

    async def _rules(self, _: Request, __: HostedRepository) -> Response:
        return JSONResponse([])

    async def _ref(self, request: Request, repository: HostedRepository) -> Response:
        name = request.path_params["branch"]
        sha = await repository.sha(name)
        if sha is None:
            return problem(404, "Not Found")
        return JSONResponse(self._forge.shapes.ref(repository, f"refs/heads/{name}", sha))

    async def _create_ref(self, request: Request, repository: HostedRepository) -> Response:
        asked = await request.json()
        branch, sha = str(asked["ref"]).removeprefix("refs/heads/"), str(asked["sha"])
        if await repository.sha(branch) is not None:
            return problem(422, "Reference already exists")
        if not await repository.add_branch(branch, sha):
            return problem(422, "Object does not exist")
        return JSONResponse(self._forge.shapes.ref(repository, str(asked["ref"]), sha), 201)

    async def _delete_ref(self, request: Request, repository: HostedRepository) -> Response:
        if not await repository.delete_branch(request.path_params["branch"]):
            return problem(422, "Reference does not exist")
        return Response(status_code=204)

    async def _fork(self, _: Request, repository: HostedRepository) -> Response:
        if not repository.forking:
            return problem(403, "The repository exists, but forking is disabled.")
        return JSONResponse(self._forge.shapes.repository(await self._forge.fork(repository)), 202)

    async def _list_pulls(self, request: Request, repository: HostedRepository) -> Response:
        query = request.query_params
        state, base = query.get("state", "open"), query.get("base")
        owner, _, branch = query.get("head", "").rpartition(":")
        found = [
            self._forge.shapes.listed_pull(repository, pull)
            for pull in repository.pulls.values()
            if state in ("all", pull.state)
            and base in (None, pull.base)
            and (not owner or (owner, branch) == (_head(repository, pull).owner, pull.head))
        ]
        by = "updated_at" if query.get("sort") == "updated" else "created_at"
        found.sort(
            key=lambda pull: (pull[by], pull["number"]), reverse=query.get("direction") != "asc"
        )
        return JSONResponse(page_of(request, found))

    async def _create_pull(self, request: Request, repository: HostedRepository) -> Response:
        asked = await request.json()
        base, (owner, _, head) = str(asked.get("base")), str(asked.get("head")).rpartition(":")
        source = self._source(repository, owner)
        base_sha, head_sha = await repository.sha(base), await source.sha(head)
        if base_sha is None or head_sha is None:
            return invalid("base" if base_sha is None else "head")
        fork = source if source is not repository else None
        if repository.open_pull(base, head, fork):
            said = f"A pull request already exists for {source.owner}:{head}."
            return unprocessable(said)
        if not await source.has_commits_between(base_sha, head_sha):
            return unprocessable(f"No commits between {base} and {head}")
        draft = bool(asked.get("draft"))
        if draft and not repository.drafts:
            return problem(422, "Draft pull requests are not supported in this repository.")
        number = len(repository.pulls) + 1
        pull = HostedPull(
            number=number,
            title=str(asked["title"]),
            body=str(asked.get("body") or ""),
            base=base,
            head=head,
            base_sha=base_sha,
            head_sha=head_sha,
            draft=draft,
            head_repository=fork,
            author=self._forge.login_of(request),
        )
        repository.pulls[number] = pull
        return JSONResponse(self._forge.shapes.pull(repository, pull), 201)

    async def _get_pull(self, request: Request, repository: HostedRepository) -> Response:
        pull = _pull(request, repository)
        if pull is None:
            return problem(404, "Not Found")
        pull.head_sha = await _head(repository, pull).sha(pull.head) or pull.head_sha
        await repository.show_pulls()
        return tagged(request, self._forge.shapes.pull(repository, pull))

    async def _edit_pull(self, request: Request, repository: HostedRepository) -> Response:
        pull = _pull(request, repository)
        if pull is None:
            return problem(404, "Not Found")
        asked = await request.json()
        pull.title = str(asked.get("title", pull.title))
        pull.body = str(asked.get("body", pull.body))
        pull.state = str(asked.get("state", pull.state))
        pull.updated_at = now()
        return JSONResponse(self._forge.shapes.pull(repository, pull))

    async def _list_reviews(self, request: Request, repository: HostedRepository) -> Response:
        pull = _pull(request, repository)
        if pull is None:
            return problem(404, "Not Found")
        rows = [self._forge.shapes.review(repository, pull, sent) for sent in pull.reviews]
        rows += [review[0] for review in repository.reviews.values()]
        return JSONResponse(page_of(request, rows))

    async def _review(self, request: Request, repository: HostedRepository) -> Response:
        """A line that the diff does not show is refused, as a review without a text is."""
        pull = _pull(request, repository)
        if pull is None:
            return problem(404, "Not Found")
        sent = await request.json()
        if not sent.get("body"):
            return problem(422, "Unprocessable Entity", errors=["Body can't be blank"])
        if any(each["path"] in pull.hidden_paths for each in sent.get("comments", ())):
            said = "Pull request review thread line must be part of the diff"
            return problem(422, "Unprocessable Entity", errors=[said])
        pull.reviews.append(sent)
        return JSONResponse(self._forge.shapes.review(repository, pull, sent))

    async def _compare(self, request: Request, repository: HostedRepository) -> Response:
        base, _, head = request.path_params["ends"].partition("...")
        sha = await repository.merge_base(base, head)
        if sha is None:
            return problem(404, "Not Found")
        url = str(request.url)
        return JSONResponse({"url": url, "merge_base_commit": {"sha": sha}, "files": []})

    async def _list_issues(self, request: Request, repository: HostedRepository) -> Response:
        """Pull requests alone: nobody opens issues here."""
        query, login = request.query_params, self._forge.shapes.user()["login"]
        found = [
            self._forge.shapes.issue(repository, pull.number)
            for pull in repository.pulls.values()
            if query.get("creator") in (None, pull.author or login)
            and query.get("state", "open") in ("all", pull.state)
        ]
        return JSONResponse(page_of(request, found))

    async def _get_issue(self, request: Request, repository: HostedRepository) -> Response:
        number = request.path_params["number"]
        if number not in {*repository.issues, *repository.pulls}:
            return problem(404, "Not Found")
        issue = self._forge.shapes.issue(repository, number)
        if request.headers.get("accept") == FULL:
            issue["body_html"] = self._forge.shapes.attachments(repository, issue["body"])
        return JSONResponse(issue)

    async def _add_labels(self, request: Request, repository: HostedRepository) -> Response:
        pull = _pull(request, repository)
        if pull is None:
            return problem(404, "Not Found")
        asked = await request.json()
        names = asked["labels"] if isinstance(asked, dict) else asked
        pull.labels += [name for name in names if name not in pull.labels]
        return JSONResponse(self._forge.shapes.labels(repository, pull))

    async def _ask_reviewers(self, request: Request, repository: HostedRepository) -> Response:
        pull = _pull(request, repository)
        if pull is None:
            return problem(404, "Not Found")
        names = (await request.json()).get("reviewers", [])
        if self._forge.shapes.user()["login"] in names:
            return unprocessable("Review cannot be requested from pull request author.")
        pull.reviewers += [name for name in names if name not in pull.reviewers]
        return JSONResponse(self._forge.shapes.listed_pull(repository, pull), 201)

    async def _graphql(self, request: Request) -> Response:
        """Take a draft out of its draft state, which REST cannot."""
        if refused := self._sign_in(request):
            return refused
        asked = await request.json()
        if "viewer" in asked["query"] and (app := self._forge.app):
            viewer = {"login": f"{app.slug}[bot]", "databaseId": APP_USER}
            return JSONResponse({"data": {"viewer": viewer}})
        node = asked["variables"]["input"]["pullRequestId"]
        pull = self._by_node(str(node))
        if pull is None or "markPullRequestReadyForReview" not in asked["query"]:
            errors = [{"type": "NOT_FOUND", "message": f"Could not resolve {node}."}]
            return JSONResponse({"data": None, "errors": errors})
        pull.draft = False
        answer: dict[str, Any] = {"clientMutationId": None, "pullRequest": {"isDraft": False}}
        return JSONResponse({"data": {"markPullRequestReadyForReview": answer}})

    def _source(self, repository: HostedRepository, owner: str) -> HostedRepository:
        """Where a head lies: in the owner's fork, or in the repository itself."""
        forks = (fork for fork in self._forge.repositories() if fork.parent is repository)
        return next((fork for fork in forks if fork.owner == owner), repository)

    def _by_node(self, node: str) -> HostedPull | None:
        """The pull request `PR_<repository>_<number>`."""
        for repository in self._forge.repositories():
            for pull in repository.pulls.values():
                if self._forge.shapes.pull(repository, pull)["node_id"] == node:
                    return pull
        return None


def _pull(request: Request, repository: HostedRepository) -> HostedPull | None:
    return repository.pulls.get(request.path_params["number"])


def _head(repository: HostedRepository, pull: HostedPull) -> HostedRepository:
    return pull.head_repository or repository
