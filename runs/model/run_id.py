"""Ids of runs: 26 lower-case characters that sort by the time they were made."""

import re
import secrets
import threading
import time
from typing import Final

RUN_ID: Final = re.compile(r"[0-9a-z]{26}")
CALLED_ID: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}")
"""Also that of a run whose graph a program calls: the id of its thread."""
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_RANDOM_BITS: Final = 80
_START_S: Final = 60.0
"""A run's id is made a moment before the run."""
_MILLISECOND: Final = 1 << _RANDOM_BITS


class RunIds:
    """Makes ids (48 bits of milliseconds, 80 random bits) of which each sorts after the one before.

    That holds within a millisecond too, and when the clock goes backwards.
    """

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()

    def new(self) -> str:
        fresh = time.time_ns() // 1_000_000 * _MILLISECOND + secrets.randbits(_RANDOM_BITS)
        with self._lock:
            self._last = max(fresh, self._last + 1)
            return _encode(self._last)


def _encode(number: int) -> str:
    digits = []
    for _ in range(26):
        number, digit = divmod(number, 32)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))


def made_at(run_id: str) -> float:
    """When an id was made, in Unix seconds; that of no id of ours is 0."""
    if not RUN_ID.fullmatch(run_id) or not set(run_id) <= set(_ALPHABET):
        return 0.0
    number = 0
    for digit in run_id:
        number = number * 32 + _ALPHABET.index(digit)
    return (number >> _RANDOM_BITS) / 1000


def first_id_at(seconds: float) -> str:
    """An id (of Unix seconds) that those of runs which started later are above."""
    return _encode(int(max(0.0, seconds - _START_S) * 1000) * _MILLISECOND)


new_run_id: Final = RunIds().new
