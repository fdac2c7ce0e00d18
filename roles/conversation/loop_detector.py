"""Notices a role that goes in circles: says so to it first, and ends it where that does not help.

What it goes by is recorded in the conversation, so that a resumed role is watched on.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from graph.errors import RoleInCircles
from roles.conversation.transcript import Message, UserMessage

TreeLook = Callable[[], Awaitable[str]]
"""Gives a digest of what is in the work tree; empty where it cannot be told."""

_LONGEST_CIRCLE: Final = 3
_TOLD_AFTER: Final = 3
_ENDED_AFTER: Final = 6
"""How often the same turns come one after another."""
_LOOK_EVERY: Final = 20
"""Turns between looks: each costs as much as a turn's own command."""
_TOLD_AFTER_LOOKS: Final = 2
_ENDED_AFTER_LOOKS: Final = 4
_HINT: Final = "Resume the run: the role begins anew on its tree. Or say more in the request."

_T = TypeVar("_T")


class Watchdog:
    """Watches the conversation of one role call; `tree` where the role is to change its tree."""

    def __init__(self, role: str, tree: TreeLook | None) -> None:
        self._role = role
        self._tree = tree

    async def watch(self, messages: Sequence[Message], newest: UserMessage) -> str:
        """What to say to the role beside the newest results, mostly nothing.

        Raises RoleInCircles.
        """
        said = [message for message in messages if isinstance(message, UserMessage)]
        results = [*(message for message in said if message.purpose == "results"), newest]
        return self._same_turns(results) or await self._same_tree(results)

    def _same_turns(self, results: Sequence[UserMessage]) -> str:
        turns = [_turn(message) for message in results[-_LONGEST_CIRCLE * _ENDED_AFTER :]]
        if not all(asked and got for asked, got in turns[-1]):
            return ""
        for length in range(1, _LONGEST_CIRCLE + 1):
            times = _repeats(turns, length)
            if times >= _ENDED_AFTER:
                raise RoleInCircles(
                    f"The {self._role} did the same with the same results {times} times in a row.",
                    _HINT,
                )
            if times >= _TOLD_AFTER:
                return (
                    f"You have done the same {times} times in a row, with the same results each "
                    "time. Try another way, or answer with what there is."
                )
        return ""

    async def _same_tree(self, results: Sequence[UserMessage]) -> str:
        if self._tree is None or len(results) % _LOOK_EVERY:
            return ""
        results[-1].tree = await self._tree()
        same = _repeats([message.tree for message in results if message.tree], 1)
        turns = (same - 1) * _LOOK_EVERY
        if same >= _ENDED_AFTER_LOOKS:
            raise RoleInCircles(
                f"The {self._role} did not change its tree in {turns} turns.", _HINT
            )
        if same >= _TOLD_AFTER_LOOKS:
            return (
                f"The work tree has not changed for {turns} turns. Where the work is done, answer; "
                "else make the change now, or say in your answer what stands in its way."
            )
        return ""


def _turn(message: UserMessage) -> tuple[tuple[str, str], ...]:
    return tuple((record.asked, record.got) for record in message.calls)


def _repeats(items: Sequence[_T], length: int) -> int:
    """How often the last `length` items come one after another at the end."""
    times, block = 0, items[-length:]
    for end in range(len(items), length - 1, -length):
        if items[end - length : end] != block:
            break
        times += 1
    return times
