"""Clearing old tool results, as the Messages API does it before Claude reads a long prompt."""

import json
from typing import Any, Final

BETA: Final = "context-management-2025-06-27"
_KIND: Final = "clear_tool_uses_20250919"
_PLACEHOLDER: Final = "[The result of this call was cleared to make room.]"
_FIELDS: Final = frozenset((
    "type", "trigger", "keep", "clear_at_least", "exclude_tools", "clear_tool_inputs",
))  # fmt: skip
_DEFAULTS: Final[dict[str, dict[str, Any]]] = {
    "trigger": {"type": "input_tokens", "value": 100_000},
    "keep": {"type": "tool_uses", "value": 3},
    "clear_at_least": {"type": "input_tokens", "value": 0},
}
_UNITS: Final = {
    "trigger": frozenset(("input_tokens", "tool_uses")),
    "keep": frozenset(("tool_uses",)),
    "clear_at_least": frozenset(("input_tokens",)),
}

Request = dict[str, Any]


def problem(config: Any) -> str | None:
    """What is wrong with a request's `context_management`, or None."""
    if not isinstance(config, dict) or set(config) != {"edits"}:
        return "context_management: edits is required, nothing else"
    edits = config["edits"]
    if not isinstance(edits, list) or len(edits) != 1 or not isinstance(edits[0], dict):
        return "context_management.edits: one edit is known here"
    edit = edits[0]
    if edit.get("type") != _KIND:
        return f"context_management.edits.0.type: {edit.get('type')!r} is not known"
    if extra := sorted(set(edit) - _FIELDS):
        return f"context_management.edits.0.{extra[0]}: Extra inputs are not permitted"
    for name, units in _UNITS.items():
        amount = edit.get(name, _DEFAULTS[name])
        fits = isinstance(amount, dict) and set(amount) == {"type", "value"}
        if not fits or amount["type"] not in units or not _is_count(amount["value"]):
            return f"context_management.edits.0.{name}: must have a type of {sorted(units)}"
    return None


def cleared(request: Request) -> tuple[Request, dict[str, Any] | None]:
    """The request as Claude reads it, and what the reply says of that."""
    if "context_management" not in request:
        return request, None
    edit = _DEFAULTS | request["context_management"]["edits"][0]
    calls = [
        block["id"]
        for message in request["messages"]
        for block in _blocks(message)
        if block["type"] == "tool_use"
    ]
    size = {"input_tokens": _tokens(request), "tool_uses": len(calls)}
    old = frozenset(calls[: max(len(calls) - edit["keep"]["value"], 0)])
    short = request | {"messages": [_without(message, old) for message in request["messages"]]}
    saved = size["input_tokens"] - _tokens(short)
    due = size[edit["trigger"]["type"]] > edit["trigger"]["value"]
    if not due or not old or saved < edit["clear_at_least"]["value"]:
        return request, {"applied_edits": []}
    applied = {"type": _KIND, "cleared_tool_uses": len(old), "cleared_input_tokens": saved}
    return short, {"applied_edits": [applied]}


def _without(message: dict[str, Any], old: frozenset[str]) -> dict[str, Any]:
    blocks = [
        block | {"content": _PLACEHOLDER}
        if block["type"] == "tool_result" and block["tool_use_id"] in old
        else block
        for block in _blocks(message)
    ]
    return message | {"content": blocks}


def _blocks(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _tokens(request: Request) -> int:
    return len(json.dumps(request["messages"], ensure_ascii=False, separators=(",", ":"))) // 4


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
