"""Whether work grows with its input alone: compared with itself, whatever the machine's speed."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")
TIMES: Final = 16
"""How much larger the large input is; what is quadratic takes 256 times as long."""
MOST: Final = 100
_LEAST_S: Final = 0.005
"""Below this the clock says nothing."""


def assert_linear(work: Callable[[T], object], make: Callable[[int], T], size: int) -> None:
    """Do the work on inputs made in `size` and a sixteenth of it; only processor time counts."""
    small, large = make(size // TIMES), make(size)
    short = min(_processor_s(work, small) for _ in range(3))
    assert _processor_s(work, large) < MOST * max(short, _LEAST_S)


def _processor_s(work: Callable[[T], object], given: T) -> float:
    begun = time.process_time()
    work(given)
    return time.process_time() - begun
