"""What the Messages API would refuse of a request, checked as strictly as its documents say."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.standins.messages_api import context_clearing
from tests.standins.messages_api.message_rules import check_messages

_EFFORTS = frozenset(("low", "medium", "high", "xhigh", "max"))
_FIELDS = frozenset((
    "model", "max_tokens", "messages", "system", "tools", "tool_choice", "thinking",
    "output_config", "cache_control", "stop_sequences", "metadata", "service_tier",
    "inference_geo", "speed", "container", "diagnostics", "stream",
))  # fmt: skip
_CLIENT_TOOLS = {
    "bash_20250124": ("bash", frozenset(("type", "name", "cache_control", "strict"))),
    "text_editor_20250728": (
        "str_replace_based_edit_tool",
        frozenset(("type", "name", "cache_control", "strict", "max_characters")),
    ),
}
_TOOL_FIELDS = frozenset((
    "type", "name", "description", "input_schema", "strict", "eager_input_streaming",
    "cache_control",
))  # fmt: skip
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_SCHEMA_BOUNDS = frozenset((
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength",
    "maxLength", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties",
))  # fmt: skip
_MAX_BREAKPOINTS = 4


@dataclass(frozen=True)
class _Model:
    """What one model takes."""

    max_output: int = 128_000
    thinking: frozenset[str] = frozenset(("adaptive",))
    efforts: frozenset[str] = _EFFORTS
    forced_tool: bool = True


_OLD = frozenset(("enabled", "disabled"))
_BOTH = _OLD | {"adaptive"}
_FREE = frozenset(("adaptive", "disabled"))
_MODELS = {
    "claude-opus-5-5": _Model(forced_tool=False),
    "claude-sonnet-5-5": _Model(
        thinking=frozenset(("adaptive", "between_tools")), forced_tool=False
    ),
    "claude-haiku-5-5": _Model(thinking=_FREE),
    "claude-fable-5-2": _Model(forced_tool=False),
    "claude-fable-5-1": _Model(forced_tool=False),
    "claude-opus-5": _Model(thinking=_FREE),
    "claude-sonnet-5": _Model(thinking=_FREE),
    "claude-opus-4-8": _Model(thinking=_FREE),
    "claude-opus-4-7": _Model(thinking=_FREE),
    "claude-opus-4-6": _Model(thinking=_BOTH, efforts=_EFFORTS - {"xhigh"}),
    "claude-opus-4-5": _Model(
        max_output=64_000, thinking=_OLD, efforts=_EFFORTS - {"xhigh", "max"}
    ),
    "claude-sonnet-4-6": _Model(thinking=_BOTH, efforts=_EFFORTS - {"xhigh"}),
    "claude-sonnet-4-5": _Model(max_output=64_000, thinking=_OLD, efforts=frozenset()),
    "claude-haiku-4-5": _Model(max_output=64_000, thinking=_OLD, efforts=frozenset()),
}
"""Written from the API's documents, not from the product's table, so that each checks the other."""


class Refused(Exception):
    """Raised when a request is not one the API would answer."""

    def __init__(self, message: str, status: int = 400, kind: str = "invalid_request_error"):
        super().__init__(message)
        self.message, self.status, self.kind = message, status, kind


def check_request(request: Any, betas: frozenset[str] = frozenset()) -> None:
    """Raise Refused unless the API would answer.

    `betas` are those that were asked for and are known.
    """
    if not isinstance(request, dict):
        raise Refused("the body must be a JSON object")
    allowed = _FIELDS | {"context_management"} if context_clearing.BETA in betas else _FIELDS
    for name in request:
        if name not in allowed:
            raise Refused(f"{name}: Extra inputs are not permitted")
    model = _model(request)
    most, least = model.max_output, 1 if request.get("stream") else 0
    tokens = request.get("max_tokens")
    if not isinstance(tokens, int) or isinstance(tokens, bool) or not least <= tokens <= most:
        raise Refused(f"max_tokens: must be a whole number from {least} to {most}")
    _check_thinking(request, model)
    _check_output(request, model)
    _check_tools(request, model)
    if problem := check_messages(request.get("messages")):
        raise Refused(problem)
    _check_system(request.get("system"))
    _check_breakpoints(request)
    if "context_management" in request and (
        problem := context_clearing.problem(request["context_management"])
    ):
        raise Refused(problem)


def _model(request: dict[str, Any]) -> _Model:
    name = request.get("model")
    if not isinstance(name, str):
        raise Refused("model: Field required")
    model = _MODELS.get(re.sub(r"^anthropic\.|-\d{8}$", "", name))
    if model is None:
        raise Refused(f"model: {name}", 404, "not_found_error")
    return model


def _check_thinking(request: dict[str, Any], model: _Model) -> None:
    thinking = request.get("thinking")
    if thinking is None:
        return
    kind = thinking.get("type") if isinstance(thinking, dict) else None
    if kind not in model.thinking:
        raise Refused(f"thinking.type: {kind!r} is not supported by this model")
    allowed = {"type", "display", "budget_tokens"} if kind == "enabled" else {"type", "display"}
    if extra := set(thinking) - allowed:
        raise Refused(f"thinking.{min(extra)}: Extra inputs are not permitted")
    if thinking.get("display", "summarized") not in {"summarized", "omitted"}:
        raise Refused("thinking.display: must be summarized or omitted")
    if kind == "enabled" and not 1024 <= thinking.get("budget_tokens", 0) < request["max_tokens"]:
        raise Refused("thinking.budget_tokens: must be at least 1024 and below max_tokens")


def _check_output(request: dict[str, Any], model: _Model) -> None:
    config = request.get("output_config")
    if config is None:
        return
    if not isinstance(config, dict) or set(config) - {"effort", "format"}:
        raise Refused("output_config: only effort and format are permitted")
    effort = config.get("effort")
    if effort is not None and effort not in model.efforts:
        raise Refused(f"output_config.effort: {effort!r} is not supported by this model")
    form = config.get("format")
    if form is None:
        return
    if not isinstance(form, dict) or set(form) != {"type", "schema"}:
        raise Refused("output_config.format: type and schema are required, nothing else")
    if form["type"] != "json_schema":
        raise Refused("output_config.format.type: must be json_schema")
    for problem in _schema_problems(form["schema"], "output_config.format.schema"):
        raise Refused(problem)


def _schema_problems(schema: Any, at: str) -> Iterator[str]:
    if not isinstance(schema, dict):
        yield f"{at}: must be an object"
        return
    if bounds := sorted(_SCHEMA_BOUNDS & set(schema)):
        yield f"{at}: {bounds[0]} is not supported"
    if schema.get("type") == "object":
        properties = schema.get("properties", {})
        if schema.get("additionalProperties") is not False:
            yield f"{at}: additionalProperties must be false"
        if set(schema.get("required", ())) != set(properties):
            yield f"{at}: every property must be required"
        for name, part in properties.items():
            yield from _schema_problems(part, f"{at}.{name}")
    if schema.get("type") == "array":
        yield from _schema_problems(schema.get("items"), f"{at}.items")
    for index, part in enumerate(schema.get("anyOf", ())):
        yield from _schema_problems(part, f"{at}.anyOf.{index}")


def _check_tools(request: dict[str, Any], model: _Model) -> None:
    names: set[str] = set()
    for index, tool in enumerate(request.get("tools") or ()):
        name = _check_tool(tool, f"tools.{index}")
        if name in names:
            raise Refused("tools: Tool names must be unique")
        names.add(name)
    choice = request.get("tool_choice")
    if choice is None:
        return
    if choice.get("type") not in {"auto", "any", "tool", "none"}:
        raise Refused("tool_choice.type: must be auto, any, tool or none")
    if choice["type"] in {"any", "tool"} and not model.forced_tool:
        raise Refused("tool_choice: this model does not support forcing a tool")


def _check_tool(tool: Any, at: str) -> str:
    if not isinstance(tool, dict):
        raise Refused(f"{at}: must be an object")
    kind, name = tool.get("type", "custom"), tool.get("name")
    if kind != "custom":
        if kind not in _CLIENT_TOOLS:
            raise Refused(f"{at}.type: unknown tool type {kind!r}")
        expected, fields = _CLIENT_TOOLS[kind]
        if name != expected:
            raise Refused(f"{at}.name: must be {expected!r}")
    else:
        fields = _TOOL_FIELDS
        if not isinstance(name, str) or not _TOOL_NAME.fullmatch(name):
            raise Refused(f"{at}.name: must match {_TOOL_NAME.pattern}")
        if (tool.get("input_schema") or {}).get("type") != "object":
            raise Refused(f"{at}.input_schema.type: must be object")
        if tool.get("strict"):
            for problem in _schema_problems(tool["input_schema"], f"{at}.input_schema"):
                raise Refused(problem)
    if extra := sorted(set(tool) - fields):
        raise Refused(f"{at}.{extra[0]}: Extra inputs are not permitted")
    return str(name)


def _check_system(system: Any) -> None:
    if system is None or isinstance(system, str):
        return
    if not isinstance(system, list):
        raise Refused("system: must be a string or a list of text blocks")
    for block in system:
        if not isinstance(block, dict) or block.get("type") != "text" or not block.get("text"):
            raise Refused("system: text content blocks must be non-empty")


def _check_breakpoints(request: dict[str, Any]) -> None:
    marks = [mark for holder in _holders(request) if (mark := holder.get("cache_control"))]
    for mark in marks:
        if mark.get("type") != "ephemeral" or mark.get("ttl", "5m") not in {"5m", "1h"}:
            raise Refused("cache_control: type must be ephemeral, ttl 5m or 1h")
    if len(marks) > _MAX_BREAKPOINTS:
        raise Refused(f"A maximum of {_MAX_BREAKPOINTS} blocks with cache_control may be provided")


def _holders(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield request
    yield from request.get("tools") or ()
    contents = [request.get("system"), *(message["content"] for message in request["messages"])]
    for content in contents:
        if isinstance(content, list):
            yield from content
