"""How many streams a key may read at a time."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from graph.errors import TooManyReaders


class KeyStreamLimit:
    """Places for each key, so that one does not take those of all. 0: no limit."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._reading = Counter[str]()

    @contextmanager
    def place(self, name: str) -> Iterator[None]:
        """One of the key's places while the block runs. Raises TooManyReaders."""
        if self._most and self._reading[name] >= self._most:
            raise TooManyReaders(f"This key reads {self._reading[name]} streams already.")
        self._reading[name] += 1
        try:
            yield
        finally:
            self._reading[name] -= 1
