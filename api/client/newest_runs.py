"""The newest runs, whoever has them."""

from typing import Any, Final

from api.client.runs_protocol import Runs

_PAGE: Final = 100
"""What a server lists at once."""


async def newest_runs(
    runs: Runs, *, status: str | None, repo: str | None, limit: int
) -> list[dict[str, Any]]:
    """At most `limit` rows, newest first, read page by page."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while len(found) < limit:
        size = min(limit - len(found), _PAGE)
        page, cursor = await runs.list(status=status, repo=repo, limit=size, cursor=cursor)
        found += page
        if cursor is None or not page:
            break
    return found[:limit]
