"""What the Messages API would refuse of a conversation."""

import base64
import hashlib
import re
from collections.abc import Iterator
from typing import Any

_TOOL_USE_ID = re.compile(r"[a-zA-Z0-9_-]+")
_USER_BLOCKS = frozenset(("text", "image", "document", "tool_result"))
_ASSISTANT_BLOCKS = frozenset(("text", "thinking", "redacted_thinking", "tool_use"))
_BLOCK_FIELDS = {
    "text": frozenset(("type", "text", "cache_control", "citations")),
    "image": frozenset(("type", "source", "cache_control")),
    "thinking": frozenset(("type", "thinking", "signature")),
    "redacted_thinking": frozenset(("type", "data")),
    "tool_use": frozenset(("type", "id", "name", "input", "cache_control", "caller")),
    "tool_result": frozenset(("type", "tool_use_id", "content", "is_error", "cache_control")),
}
_PICTURES = {
    "image/png": (b"\x89PNG", b"PNG"),
    "image/jpeg": (b"\xff\xd8\xff", b"\xff"),
    "image/gif": (b"GIF8", b"GIF"),
    "image/webp": (b"RIFF", b"WEBP"),
}
"""What each begins with, and what is in its first twelve bytes."""
_MOST_PICTURE = 5 * 1024 * 1024

Blocks = list[dict[str, Any]]


def signature(thinking: str) -> str:
    """The signature this server gives a thinking block; a changed block no longer fits it."""
    return "sig-" + hashlib.sha256(thinking.encode()).hexdigest()[:40]


def check_messages(messages: Any) -> str | None:
    """What is wrong with the conversation, or None."""
    if not isinstance(messages, list) or not messages:
        return "messages: at least one message is required"
    return next(_problems(messages), None)


def _problems(messages: list[Any]) -> Iterator[str]:
    for index, message in enumerate(messages):
        yield from _message_problems(message, f"messages.{index}")
    if messages[0]["role"] != "user":
        yield "messages: first message must use the user role"
    if messages[-1]["role"] == "assistant":
        yield (
            "This model does not support assistant message prefill. "
            "The conversation must end with a user message."
        )
    turns = _merged(messages)
    for index, (role, blocks) in enumerate(turns):
        before = turns[index - 1][1] if index else []
        after = turns[index + 1][1] if index + 1 < len(turns) else None
        if role == "assistant" and after is not None:
            yield from _unanswered(blocks, after)
        if role == "user":
            yield from _strays(blocks, before)
    calls = [block["id"] for _, blocks in turns for block in blocks if block["type"] == "tool_use"]
    if len(set(calls)) != len(calls):
        yield "messages: `tool_use` ids must be unique"


def _message_problems(message: Any, at: str) -> Iterator[str]:
    if not isinstance(message, dict) or set(message) != {"role", "content"}:
        yield f"{at}: role and content are required, nothing else"
        return
    role, content = message["role"], message["content"]
    if role not in {"user", "assistant"}:
        yield f"{at}.role: must be user or assistant"
    if not content or not isinstance(content, str | list):
        yield f"{at}: content must be non-empty"
        return
    allowed = _USER_BLOCKS if role == "user" else _ASSISTANT_BLOCKS
    for number, block in enumerate(_as_blocks(content)):
        yield from _block_problems(block, allowed, f"{at}.content.{number}")


def _block_problems(block: Any, allowed: frozenset[str], at: str) -> Iterator[str]:
    kind = block.get("type") if isinstance(block, dict) else None
    if kind not in allowed:
        yield f"{at}.type: {kind!r} is not permitted here"
        return
    if extra := sorted(set(block) - _BLOCK_FIELDS.get(kind, frozenset(block))):
        yield f"{at}.{kind}.{extra[0]}: Extra inputs are not permitted"
    if kind == "text" and not str(block.get("text", "")).strip():
        yield f"{at}: text content blocks must contain non-whitespace text"
    if kind == "thinking" and block.get("signature") != signature(block.get("thinking", "")):
        yield f"{at}: Invalid `signature` in `thinking` block"
    if kind == "tool_use":
        if not _TOOL_USE_ID.fullmatch(str(block.get("id", ""))):
            yield f"{at}.tool_use.id: must match {_TOOL_USE_ID.pattern}"
        if not isinstance(block.get("input"), dict):
            yield f"{at}.tool_use.input: must be an object"
    if kind == "image":
        yield from _picture_problems(block.get("source"), f"{at}.image.source")
    if kind == "tool_result":
        yield from _result_problems(block, at)


def _picture_problems(source: Any, at: str) -> Iterator[str]:
    if not isinstance(source, dict) or set(source) != {"type", "media_type", "data"}:
        yield f"{at}: type, media_type and data are required, nothing else"
        return
    if source["type"] != "base64" or source["media_type"] not in _PICTURES:
        yield f"{at}: must be base64 of image/jpeg, image/png, image/gif or image/webp"
        return
    try:
        content = base64.b64decode(str(source["data"]), validate=True)
    except ValueError:
        yield f"{at}.data: must be base64"
        return
    if len(source["data"]) > _MOST_PICTURE:
        yield f"{at}: image exceeds 5 MB maximum"
    begins, then = _PICTURES[source["media_type"]]
    if not content.startswith(begins) or then not in content[:12]:
        yield f"{at}: the image does not appear to be of the provided {source['media_type']} type"


def _result_problems(block: dict[str, Any], at: str) -> Iterator[str]:
    if not isinstance(block.get("is_error", False), bool):
        yield f"{at}.tool_result.is_error: must be a boolean"
    content = block.get("content", "")
    if not isinstance(content, str | list):
        yield f"{at}.tool_result.content: must be a string or a list"
    elif isinstance(content, list):
        for part in content:
            yield from _block_problems(part, frozenset(("text", "image")), at)


def _unanswered(blocks: Blocks, after: Blocks) -> Iterator[str]:
    answered = {block["tool_use_id"] for block in after if block["type"] == "tool_result"}
    for block in blocks:
        if block["type"] == "tool_use" and block["id"] not in answered:
            yield (
                f"`tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{block['id']}"
            )


def _strays(blocks: Blocks, before: Blocks) -> Iterator[str]:
    asked = {block["id"] for block in before if block["type"] == "tool_use"}
    kinds = [block["type"] for block in blocks]
    results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
    for call in results:
        if call not in asked:
            yield f"unexpected `tool_use_id` found in `tool_result` blocks: {call}"
    if len(set(results)) != len(results):
        yield "each `tool_use` must have a single result"
    if results and set(kinds[: len(results)]) != {"tool_result"}:
        yield "`tool_result` blocks must come before other content of their message"


def _merged(messages: list[dict[str, Any]]) -> list[tuple[str, Blocks]]:
    turns: list[tuple[str, Blocks]] = []
    for message in messages:
        if not turns or turns[-1][0] != message["role"]:
            turns.append((message["role"], []))
        turns[-1][1].extend(_as_blocks(message["content"]))
    return turns


def _as_blocks(content: str | Blocks) -> Blocks:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content
