"""The role call whose conversation another may go on with."""

import logging
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from graph import RoleName
from graph.errors import StoreDamaged
from roles.claude.prices import find_model, prompt_tokens
from roles.transcript.transcript import AssistantMessage, Message, UserMessage, load_conversation

log = logging.getLogger(__name__)

LIFETIME_S: Final = 300.0
"""Seconds from a request's start until the prompt cache forgets what it used."""
_ANEW_TOKENS: Final = 20_000
"""What a role that begins anew has been told and has read by the time it knows as much."""
_REQUESTS: Final = 6
"""Requests of a role, each of which reads all before it."""
_NAME: Final = re.compile(r"(\d+)-(\w+)")


@dataclass(frozen=True)
class Predecessor:
    """The newest role call before this one: its transcript's name, what it was told first, and
    all that was said."""

    name: str
    first: UserMessage
    conversation: list[Message]

    def serves(self, prefix: str, now: float) -> bool:
        """Whether going on with it is right, and cheaper than beginning anew.

        `prefix` is this call's own; `now` is in Unix seconds.
        """
        reply = self.last_reply
        if self.first.prefix != prefix or self.conversation[-1].closed or reply is None:
            return False
        model = find_model(reply.model)
        if model is None:
            return True
        size = prompt_tokens(reply.usage) + reply.usage.output_tokens
        rates, warm = model.rates(size), now - reply.asked_at < LIFETIME_S
        first = size * (rates.read if warm else rates.write_5m)
        later = (_REQUESTS - 1) * rates.read
        return first + later * size <= _ANEW_TOKENS * (rates.write_5m + later)

    @property
    def last_reply(self) -> AssistantMessage | None:
        said = (m for m in reversed(self.conversation) if isinstance(m, AssistantMessage))
        return next(said, None)


def find_predecessor(
    transcripts: Path, step: int, roles: Collection[RoleName]
) -> Predecessor | None:
    """The newest call of one of the roles before `step`; None where it cannot be read. Blocks."""
    found = (_NAME.fullmatch(path.name) for path in transcripts.glob("*-*"))
    calls = [(int(m[1]), m[0]) for m in found if m and m[2] in roles and int(m[1]) < step]
    if not calls:
        return None
    _, name = max(calls)
    try:
        conversation = load_conversation(transcripts / name)
    except StoreDamaged as error:
        log.warning("the conversation of %s cannot be gone on with: %s", name, error)
        return None
    firsts = [m for m in conversation if isinstance(m, UserMessage) and m.prefix]
    return Predecessor(name, firsts[-1], conversation) if firsts else None
