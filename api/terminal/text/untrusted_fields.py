"""Typed reading of JSON objects that somebody else wrote."""

import math
from collections.abc import Mapping
from typing import Any

from api.terminal.text.safe_text import clean, clean_line


class Fields:
    """An object's fields as they may be shown: what is missing or odd is empty, text is clean."""

    def __init__(self, data: object) -> None:
        self._data: Mapping[str, Any] = data if isinstance(data, Mapping) else {}

    def __bool__(self) -> bool:
        return bool(self._data)

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self._data.get(name) is not None

    def text(self, name: str) -> str:
        """A text that may have several lines."""
        value = self._data.get(name)
        return clean(value) if isinstance(value, str) else ""

    def line(self, name: str) -> str:
        """A text on one line."""
        value = self._data.get(name)
        return clean_line(value) if isinstance(value, str) else ""

    def number(self, name: str) -> float | None:
        value = self._data.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return value if isinstance(value, int) or math.isfinite(value) else None

    def whole(self, name: str) -> int | None:
        value = self.number(name)
        return None if value is None else int(value)

    def flag(self, name: str) -> bool:
        return self._data.get(name) is True

    def inner(self, name: str) -> "Fields":
        return Fields(self._data.get(name))

    def each(self, name: str) -> list["Fields"]:
        """A list of objects."""
        value = self._data.get(name)
        return [Fields(item) for item in value] if isinstance(value, list) else []

    def lines(self, name: str) -> list[str]:
        """A list of texts, each on one line."""
        value = self._data.get(name)
        items = value if isinstance(value, list) else []
        return [clean_line(item) for item in items if isinstance(item, str)]

    def names(self) -> list[str]:
        """The object's own field names, on one line each."""
        return [clean_line(str(name)) for name in self._data]

    def values(self) -> Mapping[str, Any]:
        """The object as it came, not cleaned."""
        return self._data
