"""When the API may leave old tool results out of a long conversation's prompt.

The transcript stays whole and all of it is sent; the API clears the results of the first calls
before Claude reads them. Which ones follows from the conversation alone. Clearing loses the prompt
cache from there on, so the place where it ends moves rarely, far, and otherwise stays.
"""

from collections.abc import Sequence
from typing import Final

from roles.claude.prices import Model, prompt_tokens
from roles.claude.reply import Block
from roles.transcript.transcript import AssistantMessage, Message

BETA: Final = "context-management-2025-06-27"
_MAX_TRIGGER_TOKENS: Final = 200_000
_KEPT_CALLS: Final = 8
"""Results that Claude has at hand after a step."""
_BYTES_A_TOKEN: Final = 4
"""More than most text has; so a step is rather larger than reckoned."""


def trigger_tokens(model: Model | None) -> int | None:
    """The prompt's size from which on results are cleared; None where no window is known."""
    if model is None:
        return None
    most = min(_MAX_TRIGGER_TOKENS, model.window // 2)
    return min(most, model.long_prompt.over * 9 // 10) if model.long_prompt else most


class ClearedCalls:
    """Counts the first calls of a conversation that have no result in the next prompt.

    Each message is looked at once, when it is new.
    """

    def __init__(self, trigger: int) -> None:
        self._trigger = trigger
        self._sizes: list[int] = []
        self._after: list[int] = []
        """How many there are after each message."""

    def count(self, messages: Sequence[Message]) -> int:
        """How many after these; `messages` only ever grows, but may lack the newest ones."""
        for message in messages[len(self._after) :]:
            self._after.append(self._count_after(message))
        return self._after[len(messages) - 1] if messages else 0

    def _count_after(self, message: Message) -> int:
        cleared = self._after[-1] if self._after else 0
        if not isinstance(message, AssistantMessage):
            results = (block for block in message.content if block["type"] == "tool_result")
            self._sizes += map(_estimate_tokens, results)
        elif prompt_tokens(message.usage) > self._trigger:
            end = len(self._sizes) - _KEPT_CALLS
            if sum(self._sizes[cleared : max(end, 0)]) >= self._trigger // 4:
                return end
        return cleared


def context_management(messages: Sequence[Message], trigger: int, cleared: int) -> Block:
    """The request's field that has the results of the first `cleared` calls cleared."""
    calls = sum(
        len(message.tool_calls) for message in messages if isinstance(message, AssistantMessage)
    )
    edit = {
        "type": "clear_tool_uses_20250919",
        "trigger": {"type": "input_tokens", "value": trigger},
        "keep": {"type": "tool_uses", "value": calls - cleared},
    }
    return {"edits": [edit]}


def _estimate_tokens(result: Block) -> int:
    return len(str(result["content"])) // _BYTES_A_TOKEN
