"""Lists in pages, as GitHub gives them: thirty rows where the caller names no number."""

from collections.abc import Sequence
from typing import TypeVar

from starlette.requests import Request

T = TypeVar("T")


def page_of(request: Request, rows: Sequence[T]) -> Sequence[T]:
    """The page that a request asks for; a page has at most a hundred rows."""
    query = request.query_params
    size, page = min(int(query.get("per_page", "30")), 100), int(query.get("page", "1"))
    return rows[size * (page - 1) : size * page]
