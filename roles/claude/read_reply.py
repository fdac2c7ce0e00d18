"""Reading a reply as the SDK took it down: another endpoint than Anthropic's may send anything."""

from typing import Any, Final

from graph import Usage
from roles.claude.reply import Reply

_MOST: Final = 1e12
"""Tokens; what is said to be more is no count."""


class StreamBroken(ConnectionError):
    """Raised when a stream is not a whole reply of the Messages API; says what it could not do."""


def read_reply(message: Any, request_id: str | None) -> Reply:
    """The reply, which can be acted on and sent back. Raises StreamBroken where it is not whole."""
    if message.stop_reason is None:
        raise StreamBroken("not be read to the reply's end")
    content = [block.to_dict(mode="json") for block in message.content]
    calls = [block["id"] for block in content if block.get("type") == "tool_use" and "id" in block]
    if not all(map(_is_whole, content)) or len(set(map(str, calls))) < len(calls):
        raise StreamBroken("not be read: a block of the reply is not whole")
    details = message.stop_details
    return Reply(
        content=content,
        stop_reason=str(message.stop_reason),
        usage=read_usage(message),
        model=message.model,
        request_id=request_id,
        stop_details=details.to_dict(mode="json") if details else None,
    )


def read_usage(message: Any) -> Usage:
    """What a reply has used so far."""
    return Usage(**counts_of(message.usage))


def counts_of(usage: Any) -> dict[str, int]:
    """The counts that are told. What is no count is 0, as no budget may grow by a reply."""
    told = {name: getattr(usage, name, None) for name in Usage.model_fields}
    return {name: _count(value) for name, value in told.items() if value is not None}


def _count(value: object) -> int:
    return int(value) if isinstance(value, int | float) and 0 < value < _MOST else 0


def _is_whole(block: dict[str, Any]) -> bool:
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
