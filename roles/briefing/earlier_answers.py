"""What earlier role calls of a run answered, so that the next does not begin from nothing."""

from contextlib import suppress

from graph import RoleName, RunFolder
from roles.conversation.answer_tool import AnswerT, AnswerTool, InvalidAnswer
from roles.transcript.transcript import last_reply


def load_earlier_answers(
    run: RunFolder, role: RoleName, step: int, tool: AnswerTool[AnswerT]
) -> list[AnswerT]:
    """The answers of a role's calls before `step`, oldest first; one that gave none is left out.

    Blocks.
    """
    answers = []
    for number in range(1, step):
        if reply := last_reply(run.transcript(number, role)):
            with suppress(InvalidAnswer):
                answers.append(tool.parse(reply.content))
    return answers
