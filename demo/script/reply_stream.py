"""Content blocks of a reply, and the events by which the Messages API streams them."""

import json
import secrets
from collections.abc import Iterator
from typing import Any, Final

Block = dict[str, Any]

_PIECE: Final = 240


def text(value: str) -> Block:
    return {"type": "text", "text": value}


def thinking(value: str, signature: str = "replayed") -> Block:
    return {"type": "thinking", "thinking": value, "signature": signature}


def tool_use(name: str, arguments: dict[str, Any], call_id: str | None = None) -> Block:
    call_id = call_id or f"toolu_{secrets.token_hex(10)}"
    return {"type": "tool_use", "id": call_id, "name": name, "input": arguments}


def sse(event: str, **fields: Any) -> bytes:
    """One server-sent event."""
    data = json.dumps({"type": event, **fields}, ensure_ascii=False)
    return f"event: {event}\ndata: {data}\n\n".encode()


def block_events(index: int, block: Block) -> Iterator[bytes]:
    """Start, pieces and stop of one content block."""
    kind = block["type"]
    if kind == "text":
        yield _start(index, block | {"text": ""})
        yield from _deltas(index, "text_delta", "text", block["text"])
    elif kind == "thinking":
        yield _start(index, block | {"thinking": "", "signature": ""})
        yield from _deltas(index, "thinking_delta", "thinking", block["thinking"])
        yield from _deltas(index, "signature_delta", "signature", block["signature"])
    elif kind == "tool_use":
        yield _start(index, block | {"input": {}})
        arguments = json.dumps(block["input"], ensure_ascii=False)
        yield from _deltas(index, "input_json_delta", "partial_json", arguments)
    else:
        yield _start(index, block)
    yield sse("content_block_stop", index=index)


def _start(index: int, block: Block) -> bytes:
    return sse("content_block_start", index=index, content_block=block)


def _deltas(index: int, kind: str, name: str, value: str) -> Iterator[bytes]:
    size = len(value) if name == "signature" else _PIECE
    for start in range(0, len(value), max(size, 1)):
        delta = {"type": kind, name: value[start : start + size]}
        yield sse("content_block_delta", index=index, delta=delta)
