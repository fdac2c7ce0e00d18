"""What earlier role calls of a run answered, so that the next does not begin from nothing."""

from contextlib import suppress

from graph import RoleName, RunFolder
from roles.conversation.structured_answer import AnswerSchema, AnswerT, InvalidAnswer
from roles.conversation.transcript import AssistantMessage, last_message


def load_earlier_answers(
    run: RunFolder, role: RoleName, step: int, answer_schema: AnswerSchema[AnswerT]
) -> list[AnswerT]:
    """The answers of a role's calls before `step`, oldest first; one that gave none is left out.

    Blocks.
    """
    answers = []
    for number in range(1, step):
        message = last_message(run.transcript(number, role))
        if isinstance(message, AssistantMessage):
            with suppress(InvalidAnswer):
                answers.append(answer_schema.parse(message.content))
    return answers
