"""What earlier role calls of a run answered, so that the next does not begin from nothing."""

import asyncio
from collections.abc import Iterator

from graph import RoleName, RunFolder
from roles.conversation.structured_answer import AnswerT, Form, Misfit
from roles.conversation.transcript import AssistantMessage, last_message


async def earlier_answers(
    run: RunFolder, role: RoleName, step: int, form: Form[AnswerT]
) -> list[AnswerT]:
    """The answers of a role's calls before `step`, oldest first; one that gave none is left out."""
    return await asyncio.to_thread(lambda: list(_answers(run, role, step, form)))


def _answers(run: RunFolder, role: RoleName, step: int, form: Form[AnswerT]) -> Iterator[AnswerT]:
    for number in range(1, step):
        message = last_message(run.transcript(number, role))
        if isinstance(message, AssistantMessage):
            try:
                yield form.read(message.content)
            except Misfit:
                continue
