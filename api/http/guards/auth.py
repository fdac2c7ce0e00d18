"""Who calls: bearer keys, kept as digests and compared in constant time."""

import hashlib
import hmac
from collections.abc import Collection, Iterable
from typing import Final

from runs.model import Caller

LOCAL: Final = "local"
"""The name of callers on a loopback server without keys."""


class Auth:
    """The keys that are answered; without any, every caller is `local`."""

    def __init__(
        self,
        keys: Iterable[tuple[str, str]] = (),
        operators: Collection[str] = (),
        *,
        locked: str = "",
    ) -> None:
        """`keys` are (name, key); `locked` says why nobody is let in, and what mends it."""
        self._digests = tuple((name, _digest(key)) for name, key in keys)
        self._operators = frozenset(operators)
        self.locked = locked

    @property
    def required(self) -> bool:
        """Whether a key must be presented."""
        return bool(self._digests)

    def caller(self, authorization: str | None) -> Caller | None:
        """Who presents this `Authorization` header, or None."""
        if not self.required:
            return self._named(LOCAL)
        scheme, _, key = (authorization or "").partition(" ")
        presented = _digest(key.strip() if scheme.lower() == "bearer" else "")
        found: str | None = None
        for name, digest in self._digests:  # all of them, so that the time tells nothing
            if hmac.compare_digest(digest, presented):
                found = name
        return self._named(found) if found else None

    def _named(self, name: str) -> Caller:
        return Caller(name, operator=name in self._operators)


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
