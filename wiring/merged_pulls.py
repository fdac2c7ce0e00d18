"""Which pull requests are merged: asked of the forge for a while, and told by its deliveries."""

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

from forge.core import Forge
from graph.errors import CodingAgentError

log = logging.getLogger(__name__)

_FRESH_S: Final = 300.0
_MOST: Final = 1000


class MergedPulls:
    """`forge` gives the forge, `full_name` the OWNER/REPO of an address, `told` those of such a
    repository that deliveries told to be merged."""

    def __init__(
        self,
        forge: Callable[[], Forge],
        full_name: Callable[[str], str],
        told: Callable[[str], Awaitable[frozenset[int]]],
    ) -> None:
        self._forge = forge
        self._told = told
        self._full_name = full_name
        self._known: dict[tuple[str, float], tuple[float, frozenset[int]]] = {}

    async def __call__(self, repo_url: str, since: float) -> frozenset[int] | None:
        """Numbers of those merged since then (Unix seconds); None where that is not known.

        What was told counts at once. Alone it says nothing: deliveries tell of some, and a part
        of the merges would pass for all.
        """
        asked = await self._ask(repo_url, since)
        if asked is None:
            return None
        try:
            told = await self._told(self._full_name(repo_url))
        except CodingAgentError as error:
            log.warning("what deliveries told is not known: %s", error.message)
            return asked
        return asked | told

    async def _ask(self, repo_url: str, since: float) -> frozenset[int] | None:
        at, numbers = self._known.get((repo_url, since), (0.0, frozenset[int]()))
        if at and time.monotonic() - at < _FRESH_S:
            return numbers
        try:
            name = self._full_name(repo_url)
            pulls = await self._forge().merged_pulls(name, since, _MOST)
        except CodingAgentError as error:
            log.warning("merged pull requests are not known: %s", error.message)
            return None
        numbers = frozenset(pull.number for pull in pulls)
        self._known = {key: kept for key, kept in self._known.items() if key[1] == since}
        self._known[repo_url, since] = (time.monotonic(), numbers)
        return numbers
