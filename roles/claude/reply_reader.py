"""Reading a reply's events: another endpoint than Anthropic's may send anything."""

from collections import defaultdict
from typing import Any, Final, Literal

from graph import Usage
from roles.claude.reply import Block, Kind, Reply

Part = Usage | tuple[Kind, str] | Literal["block"]
"""What is heard of an event: what is used so far, a piece of text, or that a block begins."""
_MOST: Final = 1e12
"""Tokens; what is said to be more is no count."""
_PIECES: Final[dict[tuple[str, str], Literal["text", "thinking", "partial_json"]]] = {
    ("text", "text_delta"): "text",
    ("thinking", "thinking_delta"): "thinking",
    ("tool_use", "input_json_delta"): "partial_json",
    ("server_tool_use", "input_json_delta"): "partial_json",
}
"""The field of a delta whose text is a piece of such a block. What fits no block is left out."""


class StreamBroken(ConnectionError):
    """Raised when a stream is not a whole reply of the Messages API; says what it could not do."""


class ReplyReader:
    """The reply that a stream's events make, each taken as plain JSON.

    An event of another shape raises StreamBroken, or a ValueError, LookupError, TypeError or
    AttributeError. Its work grows with the stream alone: pieces are put together once, at the end.
    """

    def __init__(self) -> None:
        self._message: Block | None = None
        self._counts: dict[str, int] = {}
        self._end: Block = {}
        self._blocks: list[Block] = []
        self._pieces: list[dict[str, list[str]]] = []

    def take(self, event: Any) -> Part | None:
        """What is heard of the next event."""
        kind = event["type"]
        if kind == "message_start":
            return self._begin(event["message"])
        if self._message is None:
            return None
        if kind == "content_block_delta":
            return self._add(self._blocks[event["index"]], event["index"], event["delta"])
        if kind == "content_block_start":
            if event["index"] != len(self._blocks):
                raise StreamBroken("not be read: blocks are not in order")
            self._blocks.append(dict(event["content_block"]))
            self._pieces.append(defaultdict(list))
            return "block"
        if kind == "message_delta":
            self._end = dict(event["delta"])
            self._counts |= counts_of(event.get("usage"))
        return None

    def read(self, request_id: str | None) -> Reply:
        """The reply, which can be acted on and sent back. Raises as `take` if it is not whole."""
        if self._message is None:
            raise ValueError("no message begins")
        if self._end.get("stop_reason") is None:
            raise StreamBroken("not be read to the reply's end")
        for block, pieces in zip(self._blocks, self._pieces, strict=True):
            _put_together(block, pieces)
        calls = [str(block["id"]) for block in self._blocks if _is_call(block)]
        if not all(map(_is_whole, self._blocks)) or len(set(calls)) < len(calls):
            raise StreamBroken("not be read: a block of the reply is not whole")
        return Reply(
            content=self._blocks,
            stop_reason=str(self._end["stop_reason"]),
            usage=Usage(**self._counts),
            model=str(self._message["model"]),
            request_id=request_id,
            stop_details=dict(self._end.get("stop_details") or {}) or None,
        )

    def _begin(self, message: Block) -> Usage | None:
        if self._message is not None:
            return None
        self._message = self._end = message
        self._blocks = [dict(block) for block in message.get("content") or ()]
        self._pieces = [defaultdict(list) for _ in self._blocks]
        self._counts = counts_of(message.get("usage"))
        return Usage(**self._counts)

    def _add(self, block: Block, index: int, delta: Block) -> Part | None:
        kind = delta["type"]
        if kind == "signature_delta" and block["type"] == "thinking":
            block["signature"] = delta["signature"]
        elif kind == "citations_delta" and block["type"] == "text":
            block["citations"] = block.get("citations") or []
            block["citations"].append(delta["citation"])
        elif field := _PIECES.get((block["type"], kind)):
            piece = delta[field]
            if not isinstance(piece, str):
                raise TypeError(f"{field} is no text")
            self._pieces[index][field].append(piece)
            if field != "partial_json":
                return field, piece
        return None


def read_usage(message: Block) -> Usage:
    """What a whole message has used."""
    return Usage(**counts_of(message["usage"]))


def counts_of(usage: Any) -> dict[str, int]:
    """The counts that are told. What is no count is 0, as no budget may grow by a reply."""
    told = usage if isinstance(usage, dict) else {}
    return {name: _count(told[name]) for name in Usage.model_fields if told.get(name) is not None}


def _count(value: object) -> int:
    return int(value) if isinstance(value, int | float) and 0 < value < _MOST else 0


def _put_together(block: Block, pieces: dict[str, list[str]]) -> None:
    """Add the pieces of a block to what it began with. What a call is given may be cut short."""
    for field, texts in pieces.items():
        text = "".join(texts)
        if field != "partial_json":
            block[field] = block[field] + text
        elif text:
            from jiter import from_json

            block["input"] = from_json(text.encode(), partial_mode=True)


def _is_call(block: Block) -> bool:
    return block.get("type") == "tool_use" and "id" in block


def _is_whole(block: Block) -> bool:
    """Whether a block has what its kind is acted on by; other kinds are sent back as they came."""
    match block:
        case {"type": "text", "text": str()}:
            return True
        case {"type": "tool_use", "id": str(), "name": str(), "input": dict()}:
            return True
        case {"type": "text" | "tool_use"}:
            return False
        case {"type": str()}:
            return True
    return False
