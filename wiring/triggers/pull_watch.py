"""Looks after one pull request by asking for what deliveries would tell."""

import time
from collections.abc import Iterable

from forge.core import Forge, PullState
from forge.triggers import Act, act_of_checks, act_of_comment, act_of_review
from runs.deliveries import Deliveries
from wiring.triggers.worker import TriggerWorker

_MOST_COMMENTS = 100


class PullWatch:
    """One pull request, from now on: what was said before is not acted on."""

    def __init__(
        self, repo: str, number: int, deliveries: Deliveries, forge: Forge, worker: TriggerWorker
    ) -> None:
        self._repo = repo
        self._number = number
        self._deliveries = deliveries
        self._forge = forge
        self._worker = worker
        self._since = time.time()
        self._updated_at = ""

    async def look(self) -> PullState:
        """Ask twice where nothing has changed; then work off what is new. Raises CodingAgentError.

        An act that was worked off already, here or by a service, is known by its key.
        """
        pull = await self._forge.pull_state(self._repo, self._number)
        acts = [act_of_checks(self._repo, pull)]
        if pull.updated_at != self._updated_at:
            acts += [*await self._said(pull)]
            self._updated_at = pull.updated_at
        for act in acts:
            if act:
                await self._deliveries.add(act.key, act.model_dump(mode="json"), time.time())
        await self._worker.round()
        return pull

    async def _said(self, pull: PullState) -> Iterable[Act | None]:
        comments = await self._forge.comments(self._repo, self._number, _MOST_COMMENTS)
        new = [each for each in comments if each.created_at >= self._since]
        acts = [act_of_comment(self._repo, pull, each) for each in new]
        for review in await self._forge.submitted_reviews(self._repo, self._number):
            if review.submitted_at >= self._since:
                said = await self._forge.review_words(self._repo, self._number, review.number)
                acts.append(act_of_review(self._repo, pull, review, said))
        return acts
