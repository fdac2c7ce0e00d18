"""What comments of a review get: an answer where one was not done as asked, else a thumb."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from forge.core.conversations import Conversations
from forge.publish.steps import PublishSteps
from forge.text.sanitize_markdown import paragraphs
from graph import read_answers
from graph.errors import CodingAgentError

log = logging.getLogger(__name__)

Hide = Callable[[list[str], str], Awaitable[list[str]]]
"""Texts without what may be a secret, for the run of that id. Raises PushRejected."""

_LONGEST: Final = 600


@dataclass(frozen=True)
class ThreadAnswers:
    """Answers comments of the pull request `number`; no thread is resolved.

    An answer that may have come through is not given again.
    """

    conversations: Conversations
    steps: PublishSteps
    hide: Hide

    async def give(self, number: int) -> None:
        """No run depends on it. Raises PushRejected, SecretSearchFailed."""
        publication = self.steps.publication
        named = read_answers(publication.change.unchecked)
        texts = [paragraphs(text, _LONGEST) for text in named.values()]
        hidden = await self.hide(texts, publication.run_id) if texts else []
        said = dict(zip(named, hidden, strict=True))
        for place, comment in enumerate(publication.answers, start=1):
            try:
                await self._answer(number, comment, said.get(place, ""))
            except CodingAgentError as error:
                log.warning("a comment of #%s is not answered: %s", number, error.code)

    async def _answer(self, number: int, comment: int, text: str) -> None:
        steps, full_name = self.steps, self.steps.publication.base.full_name
        change = steps.publication.change
        if text and comment not in steps.record.answered:
            await steps.keep(answered=(*steps.record.answered, comment))
            await self.conversations.answer_review_comment(full_name, number, comment, text)
        elif not text and (change.done or read_answers(change.unchecked)):
            await self.conversations.add_reaction(full_name, "review_comment", comment, "+1")
