"""Deliveries of an App's webhook: GitHub sends none again by itself."""

import logging
from collections import defaultdict
from typing import Any, Final

from forge.core.hook_deliveries import HookDeliveries
from forge.github.connection import Connection
from graph.errors import ForgeRejected, RepositoryNotFound

log = logging.getLogger(__name__)

_MOST_TRIES: Final = 3
"""What was refused so often is refused for what it is."""
_PATH: Final = "/app/hook/deliveries"


class GitHubDeliveries(Connection, HookDeliveries):
    """Of an App alone; a repository's own webhook is its administrators' business."""

    async def redeliver_failed(self) -> int:
        if self._app is None:
            return 0
        rows = await self._ask_as_app("the deliveries", "GET", f"{_PATH}?per_page=100")
        asked = 0
        for number in _failed(rows):
            try:
                await self._ask_as_app("a delivery", "POST", f"{_PATH}/{number}/attempts")
            except (ForgeRejected, RepositoryNotFound) as refused:  # too old, or gone
                log.info("a delivery is not sent again: %s", refused)
            else:
                asked += 1
        return asked


def _failed(rows: list[Any]) -> list[int]:
    """The newest try of each delivery that nobody took. GitHub lists the newest first."""
    tries = defaultdict[str, list[Any]](list)
    for row in rows:
        tries[str(row["guid"])].append(row)
    return [
        int(each[0]["id"])
        for each in tries.values()
        if len(each) < _MOST_TRIES and not any(200 <= row["status_code"] < 300 for row in each)
    ]
