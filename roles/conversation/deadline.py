"""The time a role has."""

import time
from dataclasses import dataclass
from typing import Self

_RESERVE_S = 5.0


@dataclass(frozen=True)
class Deadline:
    """When a role must have stopped asking and acting; Unix seconds."""

    at: float

    @classmethod
    def before(cls, end: float) -> Self:
        """Early enough before `end` to hand over what there is."""
        return cls(end - min(_RESERVE_S, max(0.0, end - time.time()) * 0.1))

    @property
    def left_s(self) -> float:
        return max(0.0, self.at - time.time())
