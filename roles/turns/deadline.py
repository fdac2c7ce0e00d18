"""The time a role has."""

import time
from dataclasses import dataclass
from typing import Self

_RESERVE_S = 5.0


@dataclass(frozen=True)
class Deadline:
    """When a role must have stopped asking and acting: by the monotonic clock, so that nobody has
    more or less time where the machine's is set."""

    at: float

    @classmethod
    def before(cls, end: float) -> Self:
        """Early enough before `end`, in Unix seconds, to hand over what there is."""
        left_s = max(0.0, end - time.time())
        return cls(time.monotonic() + left_s - min(_RESERVE_S, left_s * 0.1))

    @property
    def left_s(self) -> float:
        return max(0.0, self.at - time.monotonic())
