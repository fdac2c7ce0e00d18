"""The distance that GitHub asks writes to keep."""

import threading
import time
from collections.abc import Callable


class WritePacer:
    """Gives each write a moment of its own, `apart_s` seconds after the one before.

    Nobody waits for another's answer, so that a write that GitHub makes wait holds up no other.
    """

    def __init__(self, apart_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._apart_s = apart_s
        self._clock = clock
        self._next = 0.0
        self._lock = threading.Lock()

    def reserve(self) -> float:
        """Seconds until the moment of the caller's write."""
        with self._lock:
            now = self._clock()
            moment = max(now, self._next)
            self._next = moment + self._apart_s
        return moment - now
