"""A reply known beforehand, sent as the Messages API streams it."""

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from demo.script import reply_stream
from demo.script.reply_stream import Block, block_events, sse
from tests.standins.messages_api.message_rules import signature

if TYPE_CHECKING:
    from tests.standins.messages_api.server import Exchange

StopReason = Literal[
    "end_turn", "tool_use", "max_tokens", "refusal", "pause_turn", "model_context_window_exceeded"
]


def thinking(value: str) -> Block:
    return reply_stream.thinking(value, signature(value))


@dataclass(frozen=True)
class ScriptedReply:
    """Content blocks and why the reply ends; by default `tool_use` where there is a tool call.

    `output_tokens` overrides the count by bytes. A reply of more tokens than the request allows
    ends with `max_tokens`.
    """

    content: tuple[Block, ...]
    stop_reason: StopReason | None = None
    stop_details: dict[str, Any] | None = None
    output_tokens: int | None = None

    def reason(self, request: dict[str, Any]) -> StopReason:
        if self.tokens > request["max_tokens"]:
            return "max_tokens"
        calls = any(block["type"] == "tool_use" for block in self.content)
        return self.stop_reason or ("tool_use" if calls else "end_turn")

    @property
    def tokens(self) -> int:
        size = sum(len(json.dumps(block, ensure_ascii=False)) for block in self.content)
        return self.output_tokens if self.output_tokens is not None else max(1, size // 4)

    async def send(self, exchange: "Exchange") -> None:
        """Stream the reply, or send it whole where the request does not ask for a stream."""
        if not exchange.request.get("stream"):
            return await exchange.whole(200, self._message(exchange))
        await exchange.begin()
        await exchange.body(b"".join(self.events(exchange)))
        return await exchange.end()

    def events(self, exchange: "Exchange") -> Iterator[bytes]:
        """The stream's events, encoded."""
        started = self._message(exchange) | {
            "content": [],
            "stop_reason": None,
            "stop_details": None,
            "usage": self._usage(exchange) | {"output_tokens": 1},
        }
        yield sse("message_start", message=started)
        for index, block in enumerate(self.content):
            yield from block_events(index, block)
        delta = {
            "stop_reason": self.reason(exchange.request),
            "stop_sequence": None,
            "stop_details": self.stop_details,
        }
        usage = {"output_tokens": min(self.tokens, exchange.request["max_tokens"])}
        managed = exchange.context_management
        more = {} if managed is None else {"context_management": managed}
        yield sse("message_delta", delta=delta, usage=usage, **more)
        yield sse("message_stop")

    def _message(self, exchange: "Exchange") -> dict[str, Any]:
        return {
            "id": f"msg_{secrets.token_hex(12)}",
            "type": "message",
            "role": "assistant",
            "model": exchange.request["model"],
            "content": list(self.content),
            "stop_reason": self.reason(exchange.request),
            "stop_sequence": None,
            "stop_details": self.stop_details,
            "usage": self._usage(exchange),
        }

    def _usage(self, exchange: "Exchange") -> dict[str, Any]:
        counts: dict[str, Any] = exchange.usage.model_dump()
        written = {
            "ephemeral_5m_input_tokens": exchange.usage.cache_creation_input_tokens,
            "ephemeral_1h_input_tokens": 0,
        }
        tokens = min(self.tokens, exchange.request["max_tokens"])
        return counts | {"cache_creation": written, "output_tokens": tokens}
