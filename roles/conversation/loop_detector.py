"""Notices a role that goes in circles: says so to it first, and ends it where that does not help.

What it goes by is recorded in the conversation, so that a resumed role is watched on.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from graph.errors import RoleInCircles
from roles.transcript.transcript import Message, UserMessage

TreeDigest = Callable[[], Awaitable[str]]
"""Gives a digest of what is in the work tree; empty where it cannot be computed."""

_LONGEST_CYCLE: Final = 3
_WARN_AFTER: Final = 3
_STOP_AFTER: Final = 6
"""How often the same turns come one after another."""
_DIGEST_EVERY: Final = 20
"""Turns between looks: each costs as much as a turn's own command."""
_WARN_AFTER_DIGESTS: Final = 2
_STOP_AFTER_DIGESTS: Final = 4
_HINT: Final = "Resume the run: the role begins anew on its tree. Or say more in the request."

_T = TypeVar("_T")


@dataclass
class LoopDetector:
    """Watches the conversation of one role call; `tree` where the role is to change its tree."""

    role: str
    tree: TreeDigest | None

    async def check(self, messages: Sequence[Message], newest: UserMessage) -> str:
        """What to say to the role beside the newest results, mostly nothing.

        Raises RoleInCircles.
        """
        said = [message for message in messages if isinstance(message, UserMessage)]
        results = [*(message for message in said if message.purpose == "results"), newest]
        return self._check_turns(results) or await self._check_tree(results)

    def _check_turns(self, results: Sequence[UserMessage]) -> str:
        turns = [_digest_turn(message) for message in results[-_LONGEST_CYCLE * _STOP_AFTER :]]
        if not all(asked and got for asked, got in turns[-1]):
            return ""
        for length in range(1, _LONGEST_CYCLE + 1):
            times = _count_repeats(turns, length)
            if times >= _STOP_AFTER:
                raise RoleInCircles(
                    f"The {self.role} did the same with the same results {times} times in a row.",
                    _HINT,
                )
            if times >= _WARN_AFTER:
                return (
                    f"You have done the same {times} times in a row, with the same results each "
                    "time. Try another way, or answer with what there is."
                )
        return ""

    async def _check_tree(self, results: Sequence[UserMessage]) -> str:
        if self.tree is None or len(results) % _DIGEST_EVERY:
            return ""
        results[-1].tree = await self.tree()
        same = _count_repeats([message.tree for message in results if message.tree], 1)
        turns = (same - 1) * _DIGEST_EVERY
        if same >= _STOP_AFTER_DIGESTS:
            raise RoleInCircles(f"The {self.role} did not change its tree in {turns} turns.", _HINT)
        if same >= _WARN_AFTER_DIGESTS:
            return (
                f"The work tree has not changed for {turns} turns. Where the work is done, answer; "
                "else make the change now, or say in your answer what stands in its way."
            )
        return ""


def _digest_turn(message: UserMessage) -> tuple[tuple[str, str], ...]:
    return tuple((record.asked, record.got) for record in message.calls)


def _count_repeats(items: Sequence[_T], length: int) -> int:
    """How often the last `length` items come one after another at the end."""
    times, block = 0, items[-length:]
    for end in range(len(items), length - 1, -length):
        if items[end - length : end] != block:
            break
        times += 1
    return times
