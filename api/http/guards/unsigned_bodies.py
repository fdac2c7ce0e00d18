"""Bodies whose senders are not known yet, within bounds of memory."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class UnsignedBodies:
    """Counts what is held of bodies that are being read.

    Of too much the one that is read longest ends: an honest one is there at once.
    """

    def __init__(self, most_bytes: int) -> None:
        self._left = most_bytes
        self._reading: dict[asyncio.Timeout, int] = {}

    @contextmanager
    def reading(self, time: asyncio.Timeout) -> Iterator[Callable[[int], None]]:
        """Count a body by what is given, the size of each piece; to end it its `time` ends."""
        self._reading[time] = 0

        def count(size: int) -> None:
            if time in self._reading:
                self._reading[time] += size
                self._left -= size
            while self._left < 0:
                self._end_oldest()

        try:
            yield count
        finally:
            self._left += self._reading.pop(time, 0)

    def _end_oldest(self) -> None:
        oldest = next(iter(self._reading))
        self._left += self._reading.pop(oldest)
        if not oldest.expired():  # else it ends already, and its time cannot be changed
            oldest.reschedule(asyncio.get_running_loop().time())
