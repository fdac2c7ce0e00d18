"""What comments of a review get: an answer where one was not done as asked, else a thumb."""

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from forge.core.conversations import Conversations
from forge.publish.steps import PublishSteps
from forge.text.sanitize_markdown import paragraphs
from graph import Change
from graph.errors import CodingAgentError

log = logging.getLogger(__name__)

Hide = Callable[[list[str], str], Awaitable[list[str]]]
"""Texts without what may be a secret, for the run of that id. Raises PushRejected."""

_NAMED: Final = re.compile(r"(?i)^comment (\d{1,3})\s*:\s*(\S.*)$", re.DOTALL)
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
        named = read_answers(publication.change)
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
        elif not text and (change.done or read_answers(change)):
            await self.conversations.add_reaction(full_name, "review_comment", comment, "+1")


def read_answers(change: Change) -> Mapping[int, str]:
    """What the change's maker says of single comments, by the numbers that the request gave."""
    found = (_NAMED.match(each) for each in change.unchecked)
    return {int(each[1]): each[2].strip() for each in found if each}
