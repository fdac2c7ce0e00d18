"""What the user says to a run while it works: whole files, in the order of their numbers."""

import json
from collections.abc import Collection
from pathlib import Path

from graph.errors import StoreDamaged
from roles.claude.reply import Block


class Inbox:
    """The messages of one run."""

    def __init__(self, run_root: Path) -> None:
        self._folder = run_root / "messages"

    def unread(self, heard: Collection[int]) -> dict[int, Block]:
        """What was not heard yet, by number, as blocks of a message."""
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
