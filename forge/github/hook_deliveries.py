"""Deliveries of an App's webhook: GitHub sends none again by itself."""

import logging
import re
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from forge.core.hook_deliveries import HookDeliveries
from forge.github.connection import Connection
from graph.errors import ForgeRejected, RepositoryNotFound

if TYPE_CHECKING:
    from forge.github.connection import Api

log = logging.getLogger(__name__)

_MOST_TRIES: Final = 3
"""What was refused so often is refused for what it is."""
_PATH: Final = "/app/hook/deliveries"
_PAGE: Final = 100
_MOST_PAGES: Final = 10
_MOST_ASKED: Final = 100
"""At once; what is left is asked for the next time."""
_NEXT: Final = re.compile(r'[?&]cursor=([^&>]{1,200})[^>]{0,500}>; rel="next"')


class GitHubDeliveries(Connection, HookDeliveries):
    """Of an App alone; a repository's own webhook is its administrators' business."""

    async def redeliver_failed(self) -> int:
        if self._app is None:
            return 0
        asked = 0
        for number in _failed(await self._newest_tries())[:_MOST_ASKED]:
            try:
                await self._ask_as_app("a delivery", "POST", f"{_PATH}/{number}/attempts")
            except (ForgeRejected, RepositoryNotFound) as refused:  # too old, or gone
                log.info("a delivery is not sent again: %s", refused)
            else:
                asked += 1
        return asked

    async def _newest_tries(self) -> list[Any]:
        """The newest 1000, newest first. GitHub's filter leaves out 3xx and what never answered."""
        rows: list[Any] = []
        path = f"{_PATH}?per_page={_PAGE}"
        cursor = ""
        for _ in range(_MOST_PAGES):
            read = partial(_read_page, path=f"{path}{cursor}")
            following, found = await self._call_as_app("the deliveries", read)
            rows += found
            if not following:
                break
            cursor = f"&cursor={following}"
        return rows


def _read_page(github: "Api", path: str) -> tuple[str, list[Any]]:
    """Where the next page begins, empty after the last one, and the rows of this one."""
    headers, rows = github.requester.requestJsonAndCheck("GET", path)
    found = _NEXT.search(str(headers.get("link", "")))
    return found[1] if found else "", rows


def _failed(rows: list[Any]) -> list[int]:
    """The newest try of each delivery that nobody took. GitHub lists the newest first."""
    tries = defaultdict[str, list[Any]](list)
    for row in rows:
        tries[str(row["guid"])].append(row)
    return [
        int(each[0]["id"])
        for each in tries.values()
        if len(each) < _MOST_TRIES and not any(200 <= int(row["status_code"]) < 300 for row in each)
    ]
