"""Output of untrusted commands: both ends kept, and made harmless to show."""

import re
from typing import Final

_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]"  # colours, moves of the cursor
    r"|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # titles, links and other strings
    r"|[ -/]+[0-~]|[0-~])"
)
CUT_LINE: Final = re.compile(r"\[… \d+ bytes left out …\]")
"""What `render` puts between both ends."""
_MARK = "\n[… {} characters left out …]\n"
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


class BothEnds:
    """Keeps the first and the last half of what is fed to it, in bounded memory."""

    def __init__(self, keep_bytes: int) -> None:
        self._head = bytearray()
        self._tail = bytearray()
        self._half = max(keep_bytes // 2, 1)
        self.total = 0

    def feed(self, data: bytes) -> None:
        self.total += len(data)
        room = self._half - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        self._tail += data
        if len(self._tail) > 2 * self._half:
            del self._tail[: -self._half]

    @property
    def dropped(self) -> int:
        """Bytes left out of the middle."""
        return self.total - len(self._head) - min(len(self._tail), self._half)

    @property
    def kept(self) -> bytes:
        """Head and tail, without a mark between them; the head is `keep_bytes // 2` long."""
        return b"".join((self._head, memoryview(self._tail)[-self._half :]))


def render(output: bytes, dropped: int) -> str:
    """Decode for people and models: no escapes, no controls, the cut marked in the middle."""
    if dropped:
        half = len(output) // 2
        head, tail = output[:half], output[half:]
        return f"{_clean(head)}\n[… {dropped} bytes left out …]\n{_clean(tail)}"
    return _clean(output)


def cut_middle(text: str, most: int) -> str:
    """At most `most` characters of a text: both ends, the cut marked between them."""
    if len(text) <= most:
        return text
    half = max((most - len(_MARK) - len(str(len(text)))) // 2, 0)
    mark = _MARK.format(len(text) - 2 * half)
    return text[:half] + mark + text[len(text) - half :]


def _clean(raw: bytes) -> str:
    text = _ESCAPES.sub("", raw.decode("utf-8", errors="replace"))
    return _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
