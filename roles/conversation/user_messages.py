"""What the user says to a run while it works: whole files, in the order of their numbers."""

import asyncio
import json
from collections.abc import Collection
from pathlib import Path

from graph import Emit, MessageAnswered, MessageRead, RoleName
from graph.errors import StoreDamaged
from roles.claude.reply import Block


class Inbox:
    """The messages of one run, as one role reads and answers them; it says so by `emit`."""

    def __init__(self, run_root: Path, role: RoleName, emit: Emit) -> None:
        self._folder = run_root / "messages"
        self._role = role
        self._emit = emit
        self._answered = set[int]()

    async def read(self, heard: Collection[int]) -> dict[int, Block]:
        """What was not heard yet, by number, as blocks of a message."""
        unread = await asyncio.to_thread(self._unread, heard)
        for number in unread:
            key = f"message.read:{number}:{self._role}"
            self._emit(MessageRead(key=key, number=number, role=self._role))
        return unread

    def mark_answered(self, heard: Collection[int]) -> None:
        """Say that a reply has come to what was heard, once of each message and run."""
        for number in sorted(set(heard) - self._answered):
            key = f"message.answered:{number}"
            self._emit(MessageAnswered(key=key, number=number, role=self._role))
        self._answered |= set(heard)

    def _unread(self, heard: Collection[int]) -> dict[int, Block]:
        if not self._folder.exists():
            return {}
        files = {int(file.stem): file for file in self._folder.glob("[0-9]*.json")}
        return {number: _block(files[number]) for number in sorted(files.keys() - set(heard))}


def _block(file: Path) -> Block:
    try:
        text = str(json.loads(file.read_bytes())["text"]).strip()
    except (ValueError, LookupError, TypeError) as error:
        raise StoreDamaged(f"The message {file.name} to the run cannot be read.") from error
    return {"type": "text", "text": f"The user adds:\n<message>\n{text}\n</message>"}
