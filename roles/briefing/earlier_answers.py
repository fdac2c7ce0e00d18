"""What earlier role calls of a run answered, so that the next does not begin from nothing."""

import asyncio
from collections.abc import Iterator

from graph import RoleName, RunFolder
from roles.conversation.structured_answer import AnswerSchema, AnswerT, InvalidAnswer
from roles.conversation.transcript import AssistantMessage, last_message


async def load_earlier_answers(
    run: RunFolder, role: RoleName, step: int, answer_schema: AnswerSchema[AnswerT]
) -> list[AnswerT]:
    """The answers of a role's calls before `step`, oldest first; one that gave none is left out."""
    return await asyncio.to_thread(lambda: list(_read_answers(run, role, step, answer_schema)))


def _read_answers(
    run: RunFolder, role: RoleName, step: int, answer_schema: AnswerSchema[AnswerT]
) -> Iterator[AnswerT]:
    for number in range(1, step):
        message = last_message(run.transcript(number, role))
        if isinstance(message, AssistantMessage):
            try:
                yield answer_schema.parse(message.content)
            except InvalidAnswer:
                continue
