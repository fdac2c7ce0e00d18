"""What was said between a role and Claude: one file a message, written before it is acted on."""

import asyncio
import time
from itertools import takewhile
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from graph import Usage
from graph.errors import StoreDamaged
from graph.files import write_whole
from roles.claude.reply import Block
from roles.worktree.write_fence import WriteFence

_FASTEST: Final = 500
"""Tokens a second that no model writes faster than."""

Purpose = Literal["opening", "results", "go_on", "ask_again", "doubt", "restored", "left_behind"]


class OpenRequest(BaseModel):
    """A request whose end is not known yet: when it began, in Unix seconds, and what was reserved
    for it."""

    began: float
    reserved: Usage

    def reckon(self, now: float) -> Usage:
        """What it has used at most by `now`; all of it where the clock was set back."""
        elapsed = now - self.began
        most = self.reserved.output_tokens
        written = min(most, int(elapsed * _FASTEST)) if elapsed >= 0 else most
        return self.reserved.model_copy(update={"output_tokens": written})


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid")

    content: list[Block]
    attempts: list[Usage | None] = []
    """One entry for each request whose conversation ended with this message: None, or where it
    failed what the API had reported of it."""
    open_request: OpenRequest | None = None
    """The newest attempt, until it has failed; one that brought a reply has the reply after it."""
    reckoned: list[int] = []
    """Numbers of attempts, from 1, whose end nobody saw: what they used is reckoned."""
    closed: str = ""
    """Why the conversation cannot go on after this message, as an error's code."""


class CallRecord(BaseModel):
    """How a tool call ended, beside the block that answers it.

    `asked` and `got` are digests of the call and of its whole result; `same_as` is the number of
    the call whose result was referred to instead of being given again.
    """

    ok: bool
    exit_code: int | None = None
    duration_ms: int = 0
    asked: str = ""
    got: str = ""
    same_as: int | None = None


class UserMessage(_Message):
    """What we said, and why; `calls` are in the order of the content's tool results, `heard` are
    the numbers of the user's messages in it, `tree` is what the work tree was when looked at."""

    role: Literal["user"] = "user"
    purpose: Purpose
    calls: list[CallRecord] = []
    heard: list[int] = []
    tree: str = ""


class AssistantMessage(_Message):
    """A whole reply, its content as it came; `attempt` is the request that brought it."""

    role: Literal["assistant"] = "assistant"
    attempt: int
    stop_reason: str
    stop_details: Block | None = None
    usage: Usage
    model: str
    request_id: str | None = None

    @property
    def tool_calls(self) -> list[Block]:
        return [block for block in self.content if block["type"] == "tool_use"]


Message = UserMessage | AssistantMessage
_MESSAGE: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="role")])


class Transcript:
    """The messages of one role call, kept in a folder; made anew or loaded to go on.

    They are one conversation, or where that could not go on, several one after another: each
    begins with an opening, and only the last is sent.
    """

    def __init__(self, folder: Path, fence: WriteFence) -> None:
        self._folder = folder
        self._fence = fence
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._unsaved = False
        self.messages = self._load()
        self.loaded = len(self.messages)
        """How many messages an earlier call had left."""
        openings = [number for number, said in enumerate(self.messages) if _is_opening(said)]
        self._first = openings[-1] if openings else 0

    @property
    def conversation(self) -> list[Message]:
        """The messages of the newest conversation."""
        return self.messages[self._first :]

    @property
    def closed(self) -> str:
        """Why the newest conversation cannot go on, or empty."""
        return self.messages[-1].closed if self.messages else ""

    @property
    def purposes(self) -> list[Purpose]:
        """Why we said what we said in this call, since the transcript was loaded."""
        new = self.messages[self.loaded :]
        return [message.purpose for message in new if isinstance(message, UserMessage)]

    @property
    def heard(self) -> set[int]:
        """Numbers of the user's messages that are part of the conversation."""
        said = [message for message in self.conversation if isinstance(message, UserMessage)]
        return {number for message in said for number in message.heard}

    @property
    def turn(self) -> int:
        """Number of the turn that comes next, from 1."""
        return 1 + sum(isinstance(message, AssistantMessage) for message in self.messages)

    async def append(self, message: Message) -> None:
        """Take one more message. A reply is kept at once; what we say, with its first attempt."""
        if _is_opening(message):
            self._first = len(self.messages)
        self.messages.append(message)
        self._unsaved = True
        if isinstance(message, AssistantMessage):
            await self.save()

    async def begin_attempt(self, reserved: Usage) -> int:
        """Record that a request is about to be sent; its number among those of this turn."""
        last = self.messages[-1]
        last.attempts.append(None)
        last.open_request = OpenRequest(began=time.time(), reserved=reserved)
        await self._save_changed()
        return self.attempts_before(len(self.messages) - 1) + len(last.attempts)

    def attempts_before(self, index: int) -> int:
        """How many requests of the turn of a message were made before it was said."""
        before = takewhile(
            lambda message: isinstance(message, UserMessage), reversed(self.messages[:index])
        )
        return sum(len(message.attempts) for message in before)

    async def note_lost(self, usage: Usage | None, *, reckoned: bool = False) -> None:
        """Record what the newest attempt, which failed, had used: None where it cost nothing."""
        last = self.messages[-1]
        last.attempts[-1] = usage
        last.open_request = None
        if reckoned:
            last.reckoned.append(len(last.attempts))
        await self._save_changed()

    async def reckon_unseen(self, now: float) -> None:
        """Count a request that was on its way when an earlier call was killed."""
        last = self.messages[-1]
        if last.open_request is not None:
            await self.note_lost(last.open_request.reckon(now), reckoned=True)

    async def close(self, why: str) -> None:
        """Record that the conversation cannot go on."""
        self.messages[-1].closed = why
        await self._save_changed()

    async def _save_changed(self) -> None:
        self._unsaved = True
        await self.save()

    async def save(self) -> None:
        """Keep the newest message as it is now."""
        if self._unsaved:
            data = _MESSAGE.dump_json(self.messages[-1])
            await asyncio.to_thread(self._write, len(self.messages), data)
            self._unsaved = False

    def _write(self, number: int, data: bytes) -> None:
        """Replace one file whole. It survives the end of this process; one that a power cut
        damages is the last and is left out when loading."""
        self._fence.check()
        write_whole(self._path(number), data)
        self._fence.kept()

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:04d}.json"

    def _load(self) -> list[Message]:
        messages: list[Message] = []
        while (path := self._path(len(messages) + 1)).exists():
            try:
                messages.append(_MESSAGE.validate_json(path.read_bytes()))
            except ValidationError as error:
                if self._path(len(messages) + 2).exists():
                    raise StoreDamaged(f"The transcript {self._folder.name} is damaged.") from error
                break
        return messages


def last_message(folder: Path) -> Message | None:
    """The newest message in a folder that may not be there; None where it cannot be read."""
    newest = max(folder.glob("[0-9]*.json"), default=None)
    if newest is None:
        return None
    try:
        return _MESSAGE.validate_json(newest.read_bytes())
    except ValidationError:
        return None


def _is_opening(message: Message) -> bool:
    return isinstance(message, UserMessage) and message.purpose == "opening"
