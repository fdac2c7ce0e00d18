"""How often a key may call."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class _Bucket:
    tokens: float
    filled_at: float


class KeyRateLimit:
    """A bucket of calls for each key, filled at an even pace. 0 a minute: no limit."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def wait_s(self, name: str) -> float:
        """Take one call of this key: 0, or the seconds until there is one."""
        if not self._per_minute:
            return 0.0
        now, pace = self._clock(), self._per_minute / 60
        bucket = self._buckets.setdefault(name, _Bucket(self._per_minute, now))
        filled = bucket.tokens + (now - bucket.filled_at) * pace
        bucket.tokens, bucket.filled_at = min(filled, self._per_minute), now
        if bucket.tokens < 1:
            return (1 - bucket.tokens) / pace
        bucket.tokens -= 1
        return 0.0
