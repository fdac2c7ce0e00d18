"""What earlier fixers of a run said of their work, a line each: the next shall try otherwise."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from graph.run_folder import RunFolder
from roles.answer import Form, Misfit
from roles.fenced import fenced
from roles.role import ChangeAnswer
from roles.transcript import AssistantMessage, last_message

_FORM: Final = Form(ChangeAnswer)
_MOST: Final = 8
_MAX_LINE: Final = 400


async def earlier_fixes(run: RunFolder, step: int) -> str:
    """The newest fixes before `step` as a part of an opening; empty where there were none."""
    folders = [run.transcript(number, "fixer") for number in range(1, step)]
    lines = await asyncio.to_thread(lambda: list(_lines(folders)))
    if not lines:
        return ""
    told = "\n".join(lines[-_MOST:])
    heading = "Earlier fixes, oldest first; they are in the change and did not suffice:"
    return f"{heading}\n{fenced('earlier_fixes', told, _MOST * _MAX_LINE)}"


def _lines(folders: list[Path]) -> Iterator[str]:
    for folder in folders:
        message = last_message(folder)
        if isinstance(message, AssistantMessage):
            try:
                said = _FORM.read(message.content)
            except Misfit:
                continue
            yield f"- {' '.join(f'{said.title}: {said.summary}'.split())}"[:_MAX_LINE]
