"""Lists in pages, as GitHub gives them: thirty rows where the caller names no number."""

from collections.abc import Sequence
from typing import TypeVar

from starlette.datastructures import URL, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

T = TypeVar("T")

_LAST_PAGE = "last page of a list"


def page_of(request: Request, rows: Sequence[T]) -> Sequence[T]:
    """The page that a request asks for; a page has at most a hundred rows."""
    query = request.query_params
    size, page = min(int(query.get("per_page", "30")), 100), int(query.get("page", "1"))
    request.scope[_LAST_PAGE] = max(-(-len(rows) // size), 1)
    return rows[size * (page - 1) : size * page]


class LinkedPages:
    """Names the other pages of a list in the header `Link`, where it has more than one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def linked(message: Message) -> None:
            if message["type"] == "http.response.start" and scope.get(_LAST_PAGE, 1) > 1:
                MutableHeaders(scope=message)["Link"] = _links(Request(scope), scope[_LAST_PAGE])
            await send(message)

        await self._app(scope, receive, linked)


def _links(request: Request, last: int) -> str:
    page = int(request.query_params.get("page", "1"))
    before = {"prev": page - 1, "first": 1} if page > 1 else {}
    after = {"next": page + 1, "last": last} if page < last else {}
    return ", ".join(
        f'<{_address(request.url, number)}>; rel="{name}"'
        for name, number in {**before, **after}.items()
    )


def _address(url: URL, page: int) -> URL:
    return url.include_query_params(page=page)
