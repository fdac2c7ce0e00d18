"""What events add up to, in numbers: of one run, or of all that there were."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Self

NODE_S: Final = (0.1, 0.3, 1, 3, 10, 30, 60, 180, 600, 1800, 3600)
LAG_S: Final = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10)
_KINDS: Final = {
    "input": "input_tokens",
    "output": "output_tokens",
    "cache_write": "cache_creation_input_tokens",
    "cache_read": "cache_read_input_tokens",
}
_INF: Final = "+Inf"


class EventTotals:
    """Numbers by a name and its labels; two are added number by number.

    Of a distribution there are the `sum` and how many values fell into each `bucket` alone.
    """

    def __init__(self, numbers: Mapping[tuple[str, ...], float] | None = None) -> None:
        self._numbers = dict(numbers or {})

    def __bool__(self) -> bool:
        return bool(self._numbers)

    def copy(self) -> "EventTotals":
        return EventTotals(self._numbers)

    def add(self, other: "EventTotals") -> None:
        for *key, number in other.dump():
            self._add(number, *key)

    def by_name(self, name: str) -> Iterator[tuple[tuple[str, ...], float]]:
        """The labels and the number of each of that name, in order."""
        for key, number in sorted(self._numbers.items()):
            if key[0] == name:
                yield key[1:], number

    def buckets(
        self, name: str, labels: tuple[str, ...], bounds: Iterable[float]
    ) -> list[tuple[str, float]]:
        """How many values were at most each of the bounds, and how many there were."""
        found, below = [], 0.0
        for bound in (*map(str, bounds), _INF):
            below += self._numbers.get((f"{name}.bucket", *labels, bound), 0.0)
            found.append((bound, below))
        return found

    def count(self, event: Mapping[str, Any]) -> None:
        """Add what an event reports."""
        match event["type"]:
            case "node.finished":
                seconds = event["durationMs"] / 1000
                self._observe(seconds, NODE_S, "node_seconds", event["node"], event["outcome"])
            case "usage":
                self._spend(event)
            case "retry":
                self._add(1, "retries", event["what"])
            case "run.resumed":
                self._add(1, "run_resumes", event["reason"])
            case "run.finished":
                self._add(1, "run_ends", event["status"])

    def count_lag(self, seconds: float) -> None:
        """Add how long an event took until readers can have it."""
        self._observe(max(0.0, seconds), LAG_S, "event_lag_seconds")

    def dump(self) -> list[list[Any]]:
        return [[*key, number] for key, number in self._numbers.items()]

    @classmethod
    def load(cls, kept: Iterable[list[Any]]) -> Self:
        return cls({tuple(key): number for *key, number in kept})

    def _spend(self, event: Mapping[str, Any]) -> None:
        role, model = event["role"], event["model"]
        self._add(1, "model_calls", role, model)
        for kind, field in _KINDS.items():
            self._add(event.get(field) or 0, "tokens", role, model, kind)
        if event["costUsd"] is None:
            self._add(1, "unpriced_calls", model)
        else:
            self._add(event["costUsd"], "cost_usd", role, model)

    def _observe(self, value: float, bounds: tuple[float, ...], name: str, *labels: str) -> None:
        place = bisect_left(bounds, value)
        bound = str(bounds[place]) if place < len(bounds) else _INF
        self._add(1, f"{name}.bucket", *labels, bound)
        self._add(value, f"{name}.sum", *labels)

    def _add(self, number: float, *key: str) -> None:
        self._numbers[key] = self._numbers.get(key, 0) + number
