"""A request of the Messages API whose tools, system and history are always the same bytes."""

import json
from dataclasses import dataclass, field
from typing import Any

from graph.values import Usage
from roles.allowance import tokens_at_most
from roles.claude import Block
from roles.prices import Effort, known_model, prompt_tokens
from roles.transcript import AssistantMessage, Message


@dataclass(frozen=True)
class RequestForm:
    """What every request of one role call has in common."""

    model: str
    system: str
    tools: list[Block]
    output_format: Block
    effort: Effort
    _fixed: dict[str, Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        known = known_model(self.model)
        output: dict[str, Any] = {"format": self.output_format}
        if known and self.effort in known.efforts:
            output = {"effort": self.effort, **output}
        fixed: dict[str, Any] = {
            "model": self.model,
            "system": self.system,
            "tools": self.tools,
            "cache_control": {"type": "ephemeral"},
            "output_config": output,
        }
        if known and known.adaptive_thinking:
            fixed["thinking"] = {"type": "adaptive", "display": "summarized"}
        object.__setattr__(self, "_fixed", fixed)

    def build(self, messages: list[Message], max_tokens: int) -> dict[str, Any]:
        """The request that continues the conversation."""
        history = [
            {"role": message.role, "content": content}
            for message in messages
            if (content := _sendable(message.content))
        ]
        return {**self._fixed, "max_tokens": max_tokens, "messages": history}

    def prompt_at_most(self, messages: list[Message]) -> int:
        """Tokens of the conversation's prompt at most: what the API counted, and what is new."""
        new = 0
        for message in reversed(messages):
            if isinstance(message, AssistantMessage):
                return _counted(message.usage) + tokens_at_most(new)
            new += _size(message.content)
        return tokens_at_most(new + _size(self._fixed))


def _counted(usage: Usage) -> int:
    return prompt_tokens(usage) + usage.output_tokens


def _size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())


def _sendable(content: list[Block]) -> list[Block]:
    """Without what the API sends and does not take back: empty text, and thinking cut off."""
    return [block for block in content if not _is_remnant(block)]


def _is_remnant(block: Block) -> bool:
    if block["type"] == "text":
        return not block["text"].strip()
    return block["type"] == "thinking" and not block.get("signature")
