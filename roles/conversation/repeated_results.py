"""Long results that a conversation holds already are referred to instead of being given again."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from roles.claude.reply import Block
from roles.transcript.transcript import AssistantMessage, CallRecord, Message

_LONG: Final = 1_000
_MAX_LABEL: Final = 100


@dataclass
class SeenResults:
    """The results that Claude has before it, by their digest: each call's number and label."""

    _calls: dict[str, tuple[int, str]] = field(default_factory=dict)
    count: int = 0

    def copy(self) -> "SeenResults":
        return SeenResults(dict(self._calls), self.count)

    def refer_or_keep(self, call: Block, content: str, record: CallRecord) -> str:
        """What to answer a call that had this result; notes digests and reference in its record."""
        record.asked = digest(json.dumps([call["name"], call["input"]], sort_keys=True))
        record.got = digest(content)
        earlier = self._calls.get(record.got) if len(content) >= _LONG else None
        if earlier:
            record.same_as = earlier[0]
        self.note(call, record, known=True)
        if not earlier:
            return content
        return (
            f"[the same output as call {earlier[0]} above, `{earlier[1]}`: all {len(content)} "
            "characters are unchanged, so they are not repeated]"
        )

    def note(self, call: Block, record: CallRecord, *, known: bool) -> None:
        self.count += 1
        if known and record.got and record.same_as is None:
            self._calls[record.got] = (self.count, _label(call))


class ConversationResults:
    """The results of one conversation; each message is looked at once, when it is new."""

    def __init__(self) -> None:
        self._seen = SeenResults()
        self._asked: list[Block] = []
        self._cleared = 0
        self._first: Message | None = None
        self._read = 0

    def see(self, messages: Sequence[Message], cleared: int) -> SeenResults:
        """Those that Claude sees, where the first `cleared` calls have lost their results.

        `messages` only ever grows; those that begin otherwise are another conversation.
        """
        if cleared != self._cleared or messages[0] is not self._first:
            self._seen, self._asked, self._read = SeenResults(), [], 0
            self._cleared, self._first = cleared, messages[0]
        for message in messages[self._read :]:
            self._take(message)
        self._read = len(messages)
        return self._seen.copy()

    def _take(self, message: Message) -> None:
        if isinstance(message, AssistantMessage):
            self._asked = message.tool_calls
            return
        records = message.record_of
        for call in self._asked:
            record = records.get(call["id"]) or CallRecord(ok=False)
            self._seen.note(call, record, known=self._seen.count >= self._cleared)
        self._asked = []


def digest(text: str) -> str:
    """A short name for a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _label(call: Block) -> str:
    given = call["input"]
    words = [str(given[name]) for name in ("command", "path") if isinstance(given.get(name), str)]
    label = " ".join(" ".join(words).split()) or str(call["name"])
    return label if len(label) <= _MAX_LABEL else f"{label[: _MAX_LABEL - 1]}…"
