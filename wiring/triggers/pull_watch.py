"""Looks after one pull request by asking for what deliveries would tell."""

import time
from collections.abc import Iterable

from forge.core import Forge, PullState
from forge.triggers import (
    Act,
    act_of_checks,
    act_of_comment,
    act_of_conflicts,
    act_of_review,
    comment_key,
    review_key,
)
from runs.deliveries import Deliveries
from wiring.triggers.worker import TriggerWorker

_MOST_COMMENTS = 100


class PullWatch:
    """One pull request: what had been said at the first look is not acted on."""

    def __init__(
        self, repo: str, number: int, deliveries: Deliveries, forge: Forge, worker: TriggerWorker
    ) -> None:
        self._repo = repo
        self._number = number
        self._deliveries = deliveries
        self._forge = forge
        self._worker = worker
        self._updated_at = self._read_at = ""
        self._before: frozenset[str] | None = None
        """Keys of what had been said at the first look; GitHub's clock may be another than ours."""

    async def look(self) -> PullState:
        """Ask for little where nothing has changed; then work off what is new.

        What changed is read at the next look, too: its time is in seconds, and more may be said in
        the second of a look. An act that was worked off already, here or by a service, is known by
        its key. Raises CodingAgentError.
        """
        pull = await self._forge.pull_state(self._repo, self._number)
        acts = [act_of_checks(self._repo, pull), act_of_conflicts(self._repo, pull)]
        if pull.updated_at != self._read_at:
            acts += [*await self._said(pull)]
            self._read_at = pull.updated_at if pull.updated_at == self._updated_at else ""
        self._updated_at = pull.updated_at
        for act in acts:
            if act:
                body = act.model_dump(mode="json")
                await self._deliveries.add(act.delivery_key, body, time.time())
        await self._worker.round()
        return pull

    async def _said(self, pull: PullState) -> Iterable[Act | None]:
        repo, number = self._repo, self._number
        comments = {
            comment_key(repo, each.number): each
            for each in await self._forge.comments(repo, number, _MOST_COMMENTS)
        }
        reviews = {
            review_key(repo, each.number): each
            for each in await self._forge.submitted_reviews(repo, number)
        }
        if self._before is None:
            self._before = frozenset((*comments, *reviews))
        acts = [
            act_of_comment(repo, pull, comment)
            for key, comment in comments.items()
            if key not in self._before
        ]
        for key, review in reviews.items():
            if key not in self._before:
                said = await self._forge.review_words(repo, number, review.number)
                acts.append(act_of_review(repo, pull, review, said))
        return acts
