"""Tokens as the Messages API names them, added up for people."""

from dataclasses import dataclass
from typing import Final

from api.terminal.text.untrusted_fields import Fields

_KINDS: Final = (
    "input_tokens",
    "output_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
)


@dataclass
class Tokens:
    """All tokens, and how many of them were read from the cache."""

    total: int = 0
    cached: int = 0

    def add(self, usage: Fields) -> None:
        self.total += sum(usage.whole(kind) or 0 for kind in _KINDS)
        self.cached += usage.whole("cache_read_input_tokens") or 0

    @classmethod
    def of(cls, usage: Fields) -> "Tokens":
        tokens = cls()
        tokens.add(usage)
        return tokens
