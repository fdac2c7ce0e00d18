"""Thumbs for reviews that were messages to a run at work."""

import logging
from typing import Final

from forge.core import Forge
from graph.errors import CodingAgentError, RunNotFound
from runs import RunService
from wiring.triggers.thread import READER, MessageReview, Thread

log = logging.getLogger(__name__)

_MAKERS: Final = ("planner", "coder", "fixer")
"""Who has read it before the change was ready has made that of it, too."""
_AT_ONCE: Final = 10
"""Writes have a pace, and eyes of other threads wait meanwhile."""


class MessageThumbs:
    """Puts a thumb on each line comment of a review that a run has read and done."""

    def __init__(self, forge: Forge, runs: RunService) -> None:
        self._forge = forge
        self._runs = runs

    async def give(self, thread: Thread) -> bool:
        """Give some, if any are due; what is left to give stays in the thread.

        Nothing else depends on it. Raises StoreError.
        """
        left: list[MessageReview] = []
        room = _AT_ONCE
        for review in thread.message_reviews:
            comments = await self._due(review)
            if comments is None:
                left.append(review)
                continue
            for comment in comments[:room]:
                await self._give_one(thread, comment)
            if rest := comments[room:]:
                left.append(review.model_copy(update={"comments": rest}))
            room = max(room - len(comments), 0)
        changed, thread.message_reviews = left != thread.message_reviews, left
        return changed

    async def _due(self, review: MessageReview) -> list[int] | None:
        """Those that get a thumb; None while the run is at work."""
        try:
            if not (await self._runs.get(review.run_id, READER)).final:
                return None
            run = await self._runs.view(review.run_id, READER)
        except RunNotFound:
            return []
        read = any(
            each["number"] == review.message
            and each["state"] == "answered"
            and each["role"] in _MAKERS
            for each in run["messages"]
        )
        return review.comments if read and run["status"] == "succeeded" else []

    async def _give_one(self, thread: Thread, comment: int) -> None:
        try:
            await self._forge.add_reaction(thread.repo, "review_comment", comment, "+1")
        except CodingAgentError as error:
            log.warning("a comment of %s gets no thumb: %s", thread.name, error.code)
