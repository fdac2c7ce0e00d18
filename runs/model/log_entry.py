"""An event on its way into the log: valid JSON of bounded size, whatever it reports."""

import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final

from graph import EventBase
from runs.model.run_record import encode

MAX_BYTES: Final = 64 * 1024 - 256
"""Of an event's own fields; the rest of 64 KiB is for `seq`, `runId` and `time`."""
_SHORT: Final = 64
"""A string of this length is never cut: names, codes, digests."""
_MAX_DEPTH: Final = 32
_BYTES_OF_A_VALUE: Final = 8
_MAX_INT_BITS: Final = 1024
_CUT: Final = " … "
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Entry:
    """What will be one event, if its key is not in the run's log yet. `text` is `data` as JSON."""

    key: str
    time: float
    data: dict[str, Any]
    text: str

    @property
    def type(self) -> str:
        return str(self.data["type"])


def entry(event: EventBase) -> Entry:
    """An event of the vocabulary as an entry."""
    return entry_of(event.key, event.data())


def entry_of(key: str, data: dict[str, Any]) -> Entry:
    """`data`, which names its `type`, made valid JSON; long strings and lists are cut to fit."""
    fitted, text = _fit(data)
    return Entry(key=valid_text(key), time=time.time(), data=fitted, text=text)


def hide_secrets(entry: Entry, hide: Callable[[str], str]) -> Entry:
    """The entry without what `hide` takes out of a text."""
    if hide(entry.text) == entry.text:
        return entry
    data = {name: _hide_in(value, hide) for name, value in entry.data.items()}
    if hide(text := encode(data)) != text:  # it lies in several of its texts
        data, text = _bare(entry.type)
    return replace(entry, text=text, data=data)


def _hide_in(value: Any, hide: Callable[[str], str]) -> Any:
    """What was made JSON, each text of it for itself: not all of it goes where one is cut."""
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, dict):
        return {hide(name): _hide_in(item, hide) for name, item in value.items()}
    return [_hide_in(item, hide) for item in value] if isinstance(value, list) else value


def _fit(data: dict[str, Any]) -> tuple[dict[str, Any], str]:
    length = MAX_BYTES
    while length >= _SHORT:
        cleaner = _Cleaner(length)
        clean = {name: cleaner.clean(value, 1) for name, value in data.items()}
        if cleaner.cut:
            clean["truncated"] = True
        text = encode(clean)
        if len(text.encode()) <= MAX_BYTES:
            return clean, text
        length //= 2
    return _bare(data["type"])


def _bare(type_: Any) -> tuple[dict[str, Any], str]:
    """An event of which nothing can be told."""
    bare = {"type": type_, "truncated": True}
    return bare, encode(bare)


class _Cleaner:
    """Makes JSON of anything; no string is longer than `length`, no list than a part of it, and
    what has more values than another part is cut."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._items = max(1, length // _SHORT)
        self._left = max(_SHORT, length // _BYTES_OF_A_VALUE)
        self.cut = False

    def clean(self, value: Any, depth: int) -> Any:
        self._left -= depth > 1
        if isinstance(value, str):
            return self._string(value)
        if value is None or isinstance(value, int | float):
            return _number(value)
        if isinstance(value, dict):
            return self._fields(value, depth)
        if isinstance(value, list | tuple):
            return self._entries(value, depth)
        return self._string(str(value))

    def _fields(self, value: dict[Any, Any], depth: int) -> dict[str, Any] | None:
        """Those of one that is begun keep their kinds, whatever is left."""
        if depth > _MAX_DEPTH or (self._left < 0 and depth > 1):
            self.cut = True
            return None
        items = list(islice(value.items(), self._items))
        self.cut |= len(items) < len(value)
        return {self._string(str(key)): self.clean(item, depth + 1) for key, item in items}

    def _entries(self, value: Sequence[Any], depth: int) -> list[Any] | None:
        """As many as there is room for: whoever reads them can do with fewer, not with none."""
        if depth > _MAX_DEPTH:
            self.cut = True
            return None
        entries: list[Any] = []
        for item in islice(value, self._items):
            if self._left <= 0:
                break
            entries.append(self.clean(item, depth + 1))
        self.cut |= len(entries) < len(value)
        return entries

    def _string(self, value: str) -> str:
        if len(value) > self._length:
            self.cut = True
            half = self._length // 2
            value = value[:half] + _CUT + value[len(value) - half :]
        return valid_text(value)


def _number(value: float | None) -> float | None:
    """None for what JSON, or a reader of it, cannot hold."""
    if isinstance(value, int):
        return value if value.bit_length() <= _MAX_INT_BITS else None
    return value if value is None or math.isfinite(value) else None


def valid_text(value: str) -> str:
    """Lone surrogates have no place in UTF-8."""
    return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", value)
