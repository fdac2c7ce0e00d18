"""What was said between a role and Claude: one file a message, written before it is acted on."""

import asyncio
import time
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from graph import Usage
from graph.errors import StoreDamaged
from graph.files import make_last, outlast_full_disk, write_whole
from roles.claude.reply import Block
from roles.worktree.write_fence import WriteFence

Purpose = Literal[
    "opening",
    "handover",
    "results",
    "answered",
    "go_on",
    "ask_again",
    "doubt",
    "restored",
    "left_behind",
    "not_taken",
]
"""`handover` goes on with the conversation of another role call; `answered` holds the results of
calls beside an answer that was taken."""
FIRST: Final[tuple[Purpose, ...]] = ("opening", "handover")
_FASTEST: Final = 500
"""Tokens a second that no model writes faster than."""


class OpenRequest(BaseModel):
    """A request whose end is not known yet: when it began (Unix seconds), what was reserved."""

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
    the numbers of the user's messages in it, `tree` is what the work tree was when looked at,
    `sandbox` is the id of that which it was in, `limits_told` are limits of which little is left.

    The first one of a role call has more: `follows` names the call whose conversation goes on,
    `prefix` is a digest of what makes another go on with this one, and `change_step` the step of
    the change that was shown.
    """

    role: Literal["user"] = "user"
    purpose: Purpose
    calls: list[CallRecord] = []
    heard: list[int] = []
    tree: str = ""
    sandbox: str = ""
    limits_told: list[str] = []
    follows: str = ""
    prefix: str = ""
    change_step: int | None = None

    @property
    def record_of(self) -> dict[str, CallRecord]:
        """How the recorded calls of the reply before ended, by their ids."""
        answers = (block for block in self.content if block["type"] == "tool_result")
        return {
            block["tool_use_id"]: record for block, record in zip(answers, self.calls, strict=False)
        }


class AssistantMessage(_Message):
    """A whole reply as it came; `attempt` brought it, sent at `asked_at` (Unix seconds)."""

    role: Literal["assistant"] = "assistant"
    attempt: int
    asked_at: float = 0.0
    warmed: list[Usage] = []
    """What requests used that kept its prompt in the cache while its calls ran."""
    stop_reason: str
    stop_details: Block | None = None
    usage: Usage
    usage_reckoned: bool = False
    """Whether the endpoint left something of it unsaid: it tells of no prompt in the cache."""
    model: str
    request_id: str | None = None

    @property
    def tool_calls(self) -> list[Block]:
        return [block for block in self.content if block["type"] == "tool_use"]


Message = UserMessage | AssistantMessage
_MESSAGE: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="role")])


class Transcript:
    """The messages of one role call, kept in a folder; made anew or loaded to go on.

    They are one conversation, or where that could not go on, several one after another: only the
    last is sent. It begins with an opening, or goes on with that of an earlier role call.
    """

    def __init__(self, folder: Path, fence: WriteFence) -> None:
        self._folder = folder
        self._fence = fence
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._unsaved = False
        self._lasting: asyncio.Future[None] | None = None
        self.messages = load_messages(folder)
        self._begun_at = _first_of(self.messages)
        self.loaded = len(self.messages)
        """How many messages an earlier call had left."""
        self._before: list[Message] = []
        if (first := self._find_first()) and first.follows:
            self._before = load_conversation(folder.parent / first.follows)

    @property
    def own(self) -> list[Message]:
        """The messages of this call's newest conversation."""
        return self.messages[self._begun_at :]

    @property
    def conversation(self) -> list[Message]:
        """The newest conversation, with what other role calls said in it before."""
        first = self._find_first()
        goes_on = first.follows if first else not self.messages
        return self._before + self.own if goes_on else self.own

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
    def sandbox(self) -> str:
        """Where the tree was when the role was told of it last."""
        said = (each.sandbox for each in reversed(self.own) if isinstance(each, UserMessage))
        return next(said, "")

    @property
    def turn(self) -> int:
        """Number of the turn that comes next, from 1."""
        return 1 + sum(isinstance(message, AssistantMessage) for message in self.messages)

    def has_said(self, purpose: Purpose) -> bool:
        """Whether we said something of that kind in this call's newest conversation."""
        return any(isinstance(m, UserMessage) and m.purpose == purpose for m in self.own)

    def go_on_with(self, conversation: list[Message]) -> None:
        """Let the handover that comes next go on with what was said there."""
        self._before = conversation

    async def append(self, message: Message) -> None:
        """Take one more message. A reply is kept at once; what we say, with its first attempt."""
        if isinstance(message, UserMessage) and message.purpose in FIRST:
            self._begun_at = len(self.messages)
        self.messages.append(message)
        self._unsaved = True
        if isinstance(message, AssistantMessage):
            await self.save()

    async def begin_attempt(self, reserved: Usage) -> int:
        """Record that a request is about to be sent; its number among those of this turn.

        The record outlives this process, and a power cut once it is made to while Claude answers.
        """
        last = self.messages[-1]
        last.attempts.append(None)
        last.open_request = OpenRequest(began=time.time(), reserved=reserved)
        self._unsaved = True
        await self.save(lasting=False)
        path = _path(self._folder, len(self.messages))
        self._lasting = asyncio.get_running_loop().run_in_executor(None, make_last, path)
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
        await self.save_changed()

    async def reckon_unseen(self, now: float) -> None:
        """Count a request that was on its way when an earlier call was killed."""
        last = self.messages[-1]
        if last.open_request is not None:
            await self.note_lost(last.open_request.reckon(now), reckoned=True)

    async def close(self, why: str) -> None:
        """Record that the conversation cannot go on."""
        self.messages[-1].closed = why
        await self.save_changed()

    async def save_changed(self) -> None:
        """Keep the newest message, which is not as it was."""
        self._unsaved = True
        await self.save()

    async def save(self, *, lasting: bool = True) -> None:
        """Keep the newest message as it is now, once what was kept before lasts."""
        before, self._lasting = self._lasting, None
        if before:
            await asyncio.shield(before)
        if self._unsaved:
            data, number = _MESSAGE.dump_json(self.messages[-1]), len(self.messages)
            await outlast_full_disk(lambda: self._write(number, data, lasting=lasting))
            self._unsaved = False

    def _find_first(self) -> UserMessage | None:
        first = self.messages[self._begun_at] if self.messages else None
        return first if isinstance(first, UserMessage) else None

    def _write(self, number: int, data: bytes, *, lasting: bool) -> None:
        """Replace one file whole; one that a power cut damages is the last and is not loaded."""
        self._fence.check()
        write_whole(_path(self._folder, number), data, lasting=lasting)
        self._fence.kept()


def load_messages(folder: Path) -> list[Message]:
    """All messages of a role call. Raises StoreDamaged. Blocks."""
    messages: list[Message] = []
    while (path := _path(folder, len(messages) + 1)).exists():
        try:
            messages.append(_MESSAGE.validate_json(path.read_bytes()))
        except ValidationError as error:
            if _path(folder, len(messages) + 2).exists():
                raise StoreDamaged(f"The transcript {folder.name} is damaged.") from error
            break
    return messages


def load_conversation(folder: Path) -> list[Message]:
    """The newest conversation of a role call, with what others said in it before. Blocks.

    Raises StoreDamaged.
    """
    parts: list[list[Message]] = []
    name = folder.name
    while name:
        messages = load_messages(folder.parent / name)
        if not messages:
            raise StoreDamaged(f"The transcript {name} is missing.")
        parts.append(messages[_first_of(messages) :])
        first = parts[-1][0]
        name = first.follows if isinstance(first, UserMessage) else ""
    return [message for part in reversed(parts) for message in part]


def holds(conversation: Sequence[Message], text: str) -> bool:
    """Whether we have said a text in a conversation."""
    return any(
        block["type"] == "text" and text in block["text"]
        for message in conversation
        if isinstance(message, UserMessage)
        for block in message.content
    )


def last_reply(folder: Path) -> AssistantMessage | None:
    """The newest reply, where nothing but results follows it, in a folder that may not be there.

    None where it cannot be read. Blocks.
    """
    for path in sorted(folder.glob("[0-9]*.json"), reverse=True)[:2]:
        try:
            message = _MESSAGE.validate_json(path.read_bytes())
        except ValidationError:
            return None
        if isinstance(message, AssistantMessage):
            return message
        if message.purpose != "answered":
            return None
    return None


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number:04d}.json"


def _first_of(messages: Sequence[Message]) -> int:
    """Where the newest conversation begins."""
    firsts = [
        number
        for number, said in enumerate(messages)
        if isinstance(said, UserMessage) and said.purpose in FIRST
    ]
    return firsts[-1] if firsts else 0
