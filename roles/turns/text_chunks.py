"""What Claude says while it says it, in pieces large enough to be worth an event."""

import asyncio
from collections.abc import Callable
from typing import Literal

from graph import Usage

Kind = Literal["text", "thinking"]

_FLUSH_AFTER_S = 0.08
_FLUSH_AT_CHARACTERS = 200


class ChunkBatcher:
    """Merges tokens until 80 ms have passed, 200 characters are there, or the kind changes.

    `reported` is what the API has said of its cost.
    """

    def __init__(self, emit: Callable[[Kind, str], None]) -> None:
        self._emit = emit
        self._kind: Kind = "text"
        self._text = ""
        self._timer: asyncio.TimerHandle | None = None
        self.reported: Usage | None = None

    def report(self, usage: Usage) -> None:
        self.reported = usage

    def begin_block(self) -> None:
        """Another content block begins."""
        self.flush()

    def add(self, kind: Kind, text: str) -> None:
        if kind != self._kind:
            self.flush()
            self._kind = kind
        self._text += text
        if len(self._text) >= _FLUSH_AT_CHARACTERS:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH_AFTER_S, self.flush)

    def flush(self) -> None:
        """Tell what is there; nothing is pending afterwards."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._text.strip():
            self._emit(self._kind, self._text)
        self._text = ""
