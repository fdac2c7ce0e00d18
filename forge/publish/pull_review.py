"""A review put on a pull request, once, however often it is asked for."""

import logging
from dataclasses import dataclass, replace
from typing import Final

from forge.core.forge import Forge, ReviewText
from forge.core.retry import Unprocessable, retry_transient
from graph import Emit

log = logging.getLogger(__name__)

_ATTEMPTS: Final = 3


@dataclass
class PullReviews:
    """The reviews of one pull request. `maybe_there`: an earlier attempt may have come through."""

    forge: Forge
    full_name: str
    number: int
    emit: Emit
    maybe_there: bool = False

    async def submit(self, text: ReviewText, alone: str, mark: str) -> None:
        """Submit a review; one whose lines the forge does not know has the text `alone`.

        `mark` is in both. Raises ForgeError, RepositoryError.
        """

        async def attempt() -> None:
            if self.maybe_there and await self._is_there(mark):
                return
            self.maybe_there = True
            try:
                await self.forge.create_review(self.full_name, self.number, text)
            except Unprocessable as unfit:
                log.info("a review without its line comments: %s", unfit.error.code)
                await self._submit_alone(alone)

        policy = self.forge.retry_policy
        policy = replace(policy, attempts=min(policy.attempts, _ATTEMPTS))
        await retry_transient(attempt, what="the review", emit=self.emit, policy=policy)

    async def _submit_alone(self, body: str) -> None:
        try:
            await self.forge.create_review(self.full_name, self.number, ReviewText(body))
        except Unprocessable as unfit:
            raise unfit.error from None

    async def _is_there(self, mark: str) -> bool:
        found = await self.forge.submitted_reviews(self.full_name, self.number, self.emit)
        return any(mark in review.body for review in found)
