"""Requests of one role call, whose tools, system and history are always the same bytes."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from graph import Effort
from roles.claude.prices import find_model, prompt_tokens
from roles.claude.reply import Block
from roles.transcript.transcript import AssistantMessage, Message
from roles.turns.context_editing import (
    BETA,
    ClearedCalls,
    context_management,
    trigger_tokens,
)
from roles.turns.reply_budget import (
    LONG_REPLY_TOKENS,
    MAX_REPLY_TOKENS,
    tokens_upper_bound,
)

_LONG_EFFORTS = ("high", "xhigh", "max")
_PICTURE_TOKENS = 5_000
"""Width times height through 750, of the largest that the API does not make smaller."""
_NOT_TAKEN: Block = {"type": "text", "text": "(This picture could not be shown.)"}


@dataclass(frozen=True)
class ModelRequest:
    """One request: its JSON, and what of the API it needs beside the ordinary."""

    body: bytes
    betas: tuple[str, ...] = ()


class RequestBuilder:
    """Builds the bodies; each message is encoded once, when it is new."""

    def __init__(
        self,
        *,
        model: str,
        system: str,
        tools: list[Block],
        effort: Effort | None,
    ) -> None:
        known = find_model(model)
        fixed: dict[str, Any] = {
            "model": model,
            "system": system,
            "tools": tools,
            "cache_control": {"type": "ephemeral"},
        }
        if effort and known and effort in known.efforts:
            fixed["output_config"] = {"effort": effort}
        if known and known.adaptive_thinking:
            fixed["thinking"] = {"type": "adaptive", "display": "summarized"}
        self.model = model
        self.max_reply_tokens = LONG_REPLY_TOKENS if effort in _LONG_EFFORTS else MAX_REPLY_TOKENS
        self.fixed_digest = hashlib.sha256(_encode(fixed)).hexdigest()
        """Of what must be the same for one conversation to go on with another."""
        self._trigger = trigger_tokens(known)
        self._fixed = _encode(fixed).removesuffix(b"}")
        self._pictures = True
        self.forget_messages()

    def forget_messages(self) -> None:
        """Make room for another conversation."""
        self._encoded: list[bytes] = []
        self._cleared = ClearedCalls(self._trigger) if self._trigger else None

    def count_cleared(self, messages: Sequence[Message]) -> int:
        """How many of the first calls' results the next prompt lacks."""
        return self._cleared.count(messages) if self._cleared else 0

    def disable_context_editing(self) -> None:
        """Send whole prompts from here on."""
        self._trigger = self._cleared = None

    def leave_out_pictures(self) -> None:
        """Send no picture from here on."""
        self._pictures = False
        self._encoded = []

    def shows_pictures(self, messages: Sequence[Message]) -> bool:
        """Whether a picture is part of the next prompt."""
        return self._pictures and any(_pictures_of(message) for message in messages)

    def build(self, messages: Sequence[Message], max_tokens: int) -> ModelRequest:
        """The request that continues a conversation; `messages` only ever grows.

        With no tokens for a reply it only has the prompt cached, and is answered in one piece.
        """
        self._encode_new(messages)
        history = b",".join(data for data in self._encoded[: len(messages)] if data)
        stream = b"true" if max_tokens else b"false"
        head = b'%b,"stream":%b,"max_tokens":%d' % (self._fixed, stream, max_tokens)
        body = b'%b,"messages":[%b]' % (head, history)
        cleared = self.count_cleared(messages)
        if not cleared or self._trigger is None:
            return ModelRequest(body + b"}")
        field = _encode(context_management(messages, self._trigger, cleared))
        return ModelRequest(b'%b,"context_management":%b}' % (body, field), (BETA,))

    def prompt_tokens_upper_bound(self, messages: Sequence[Message]) -> int:
        """Tokens of the conversation's prompt at most: what the API counted, and what is new."""
        self._encode_new(messages)
        new = pictures = 0
        for message, data in zip(reversed(messages), reversed(self._encoded), strict=True):
            if isinstance(message, AssistantMessage):
                counted = prompt_tokens(message.usage) + message.usage.output_tokens
                return counted + tokens_upper_bound(new) + pictures * _PICTURE_TOKENS
            shown = _pictures_of(message) if self._pictures else []
            new += len(data) - sum(len(picture["source"]["data"]) for picture in shown)
            pictures += len(shown)
        return tokens_upper_bound(new + len(self._fixed)) + pictures * _PICTURE_TOKENS

    def _encode_new(self, messages: Sequence[Message]) -> None:
        for message in messages[len(self._encoded) :]:
            self._encoded.append(_encode_message(message, pictures=self._pictures))


def _pictures_of(message: Message) -> list[Block]:
    return [block for block in message.content if block["type"] == "image"]


def _encode_message(message: Message, *, pictures: bool) -> bytes:
    """A message as it is sent; nothing where nothing of it can be sent back."""
    content = [block for block in message.content if not _cannot_be_sent_back(block)]
    if not pictures:
        content = [_NOT_TAKEN if block["type"] == "image" else block for block in content]
    return _encode({"role": message.role, "content": content}) if content else b""


def _cannot_be_sent_back(block: Block) -> bool:
    """Whether the API sends such a block and does not take it back: empty, or cut off."""
    if block["type"] == "text":
        return not block["text"].strip()
    return block["type"] == "thinking" and not block.get("signature")


def _encode(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
