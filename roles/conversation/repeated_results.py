"""Long results that a conversation holds already are referred to instead of being given again."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from roles.claude.reply import Block
from roles.transcript.transcript import AssistantMessage, CallRecord, Message, UserMessage

_LONG: Final = 1_000
_MAX_LABEL: Final = 100


@dataclass
class SeenResults:
    """The results that Claude has before it, by their digest: each call's number and label."""

    _calls: dict[str, tuple[int, str]] = field(default_factory=dict)
    _count: int = 0

    @classmethod
    def from_conversation(cls, messages: Sequence[Message], cleared: int) -> Self:
        """Those of a conversation whose first `cleared` calls have lost their results."""
        seen = cls()
        asked: list[Block] = []
        for message in messages:
            if isinstance(message, AssistantMessage):
                asked = message.tool_calls
            elif isinstance(message, UserMessage):
                records = message.record_of
                for call in asked:
                    record = records.get(call["id"]) or CallRecord(ok=False)
                    seen._note(call, record, known=seen._count >= cleared)
                asked = []
        return seen

    def refer_or_keep(self, call: Block, content: str, record: CallRecord) -> str:
        """What to answer a call that had this result; notes digests and reference in its record."""
        record.asked = digest(json.dumps([call["name"], call["input"]], sort_keys=True))
        record.got = digest(content)
        earlier = self._calls.get(record.got) if len(content) >= _LONG else None
        if earlier:
            record.same_as = earlier[0]
        self._note(call, record, known=True)
        if not earlier:
            return content
        return (
            f"[the same output as call {earlier[0]} above, `{earlier[1]}`: all {len(content)} "
            "characters are unchanged, so they are not repeated]"
        )

    def _note(self, call: Block, record: CallRecord, *, known: bool) -> None:
        self._count += 1
        if known and record.got and record.same_as is None:
            self._calls[record.got] = (self._count, _label(call))


def digest(text: str) -> str:
    """A short name for a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _label(call: Block) -> str:
    given = call["input"]
    words = [str(given[name]) for name in ("command", "path") if isinstance(given.get(name), str)]
    label = " ".join(" ".join(words).split()) or str(call["name"])
    return label if len(label) <= _MAX_LABEL else f"{label[: _MAX_LABEL - 1]}…"
