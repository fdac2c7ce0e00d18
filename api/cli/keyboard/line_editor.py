"""A line as it is typed, key by key."""

import unicodedata
from typing import Final, Literal

MOST_LETTERS: Final = 16_000
"""What a message may have."""
_ENDS: Final = "\r\n"
_BACKSPACES: Final = "\x08\x7f"
_CLEAR: Final = "\x15"
_DROP_WORD: Final = "\x17"
_ESCAPE: Final = "\x1b"
_CONTROLS: Final = frozenset(("Cc", "Cf", "Cs", "Co", "Cn"))


class LineEditor:
    """Takes keys; `text` is the line so far. Keys that edit nothing here are dropped."""

    def __init__(self) -> None:
        self.text = ""
        self._sequence: Literal["none", "escape", "open"] = "none"

    def feed(self, keys: str) -> list[str]:
        """The lines that these keys end, without those that are blank."""
        ended: list[str] = []
        for key in keys:
            if self._is_in_sequence(key):
                continue
            if key in _ENDS:
                ended += [line] if (line := self.text.strip()) else []
                self.text = ""
            else:
                self._edit(key)
        return ended

    def _is_in_sequence(self, key: str) -> bool:
        """Whether the key belongs to what an arrow or a function key sends."""
        if self._sequence == "none":
            self._sequence = "escape" if key == _ESCAPE else "none"
            return key == _ESCAPE
        if self._sequence == "escape":
            self._sequence = "open" if key in "[O" else "none"
            return True
        self._sequence = "none" if "@" <= key <= "~" else "open"
        return True

    def _edit(self, key: str) -> None:
        if key in _BACKSPACES:
            self.text = self.text[:-1]
        elif key == _CLEAR:
            self.text = ""
        elif key == _DROP_WORD:
            self.text = self.text.rstrip().rpartition(" ")[0]
        elif key == "\t":
            self._add(" ")
        elif unicodedata.category(key) not in _CONTROLS:
            self._add(key)

    def _add(self, letter: str) -> None:
        if len(self.text) < MOST_LETTERS:
            self.text += letter
