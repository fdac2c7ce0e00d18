"""What a role is told first: an opening, or where it goes on with a conversation a handover."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from graph import RoleTask
from graph.errors import ClaudeRefused, ContextExceeded, RoleInCircles
from roles.claude.reply import Block
from roles.conversation.role_spec import RoleSpec
from roles.transcript.predecessor import Predecessor
from roles.transcript.transcript import AssistantMessage, Message, Transcript, UserMessage
from roles.turns.model_request import RequestBuilder

_CLOSED: Final = {
    ClaudeRefused.code: "it was broken off",
    ContextExceeded.code: "it grew too long",
    RoleInCircles.code: "it went in circles, with the same steps again and again",
}
LOOK: Final = "Look at `git status` and `git diff HEAD` before you go on."
_KEPT: Final = f" What it edited is in the work tree, unless that was lost. {LOOK}"
TAKEN: Final = "Taken."
_BROKEN_OFF: Final = "Broken off; it may have run in part."


async def _say_nothing(_: Predecessor) -> str:
    return ""


def _show_nothing() -> list[Block]:
    return []


@dataclass(frozen=True)
class Opening:
    """`begin` says all that a role must know, `go_on` what is new after its predecessor.

    `pictures` are shown below what `begin` says; loading them blocks.
    """

    begin: Callable[[], Awaitable[str]]
    go_on: Callable[[Predecessor], Awaitable[str]] = _say_nothing
    predecessor: Predecessor | None = None
    pictures: Callable[[], list[Block]] = _show_nothing


@dataclass(frozen=True)
class FirstMessage:
    """Writes the first message of a conversation of one role call."""

    spec: RoleSpec[Any]
    task: RoleTask
    transcript: Transcript
    requests: RequestBuilder

    async def write(self, opening: Opening) -> UserMessage:
        """A handover where the predecessor's conversation serves and none was begun here."""
        prefix, before = self._prefix(), opening.predecessor
        about = self.task.change.step if self.task.change else None
        if not self.transcript.messages and before and before.serves(prefix, time.time()):
            self.transcript.go_on_with(before.conversation)
            content = [
                *self._answer_calls(before.conversation[-1]),
                text(await opening.go_on(before)),
            ]
            return UserMessage(
                purpose="handover",
                content=content,
                follows=before.name,
                prefix=prefix,
                change_step=about,
            )
        content = [text(await opening.begin()), *await asyncio.to_thread(opening.pictures)]
        if why := self.transcript.closed:
            ended = f"An earlier conversation about this ended without an answer: {_CLOSED[why]}."
            content.append(text(ended + (_KEPT if self.spec.changes else "")))
            self.requests.forget_messages()
        return UserMessage(purpose="opening", content=content, prefix=prefix, change_step=about)

    def _prefix(self) -> str:
        """A digest of what must be the same: what is sent before the messages, and the base."""
        fixed = f"{self.requests.fixed_digest} {self.task.base.sha}"
        return hashlib.sha256(fixed.encode()).hexdigest()[:16]

    def _answer_calls(self, last: Message) -> list[Block]:
        """Results for what the predecessor called last."""
        if not isinstance(last, AssistantMessage):
            return []
        ends = {tool["name"] for tool in self.spec.answer_tools}
        return [
            answer_call(call, TAKEN)
            if call["name"] in ends
            else answer_call(call, _BROKEN_OFF, is_error=True)
            for call in last.tool_calls
        ]


def text(value: str) -> Block:
    return {"type": "text", "text": value}


def answer_call(call: Block, content: str, *, is_error: bool = False) -> Block:
    """The block that answers a call."""
    block = {"type": "tool_result", "tool_use_id": call["id"], "content": content}
    return block | {"is_error": True} if is_error else block
