"""Who calls: bearer keys, kept as digests and compared in constant time."""

import hashlib
import hmac
from collections.abc import Callable, Collection, Iterable
from typing import Final

from api.http.guards.session import is_signed_with, make_token
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
        """`keys` are (name, key); `locked` says why nobody is let in, and what fixes it."""
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
        presented = _presented_digest(authorization)
        return self._find(lambda digest: hmac.compare_digest(digest, presented))

    def open_session(self, authorization: str | None, now: float) -> str | None:
        """A session's token for who presents this header; None where it holds no key."""
        presented = _presented_digest(authorization)
        known = self._find(lambda digest: hmac.compare_digest(digest, presented))
        return make_token(presented, now) if known else None

    def session_caller(self, token: str, now: float) -> Caller | None:
        """Whose session this token is, or None; the key that it was made with must still be."""
        return self._find(lambda digest: is_signed_with(digest, token, now))

    def _find(self, is_right: Callable[[bytes], bool]) -> Caller | None:
        found: str | None = None
        for name, digest in self._digests:  # all of them, so that the time tells nothing
            if is_right(digest):
                found = name
        return self._named(found) if found else None

    def _named(self, name: str) -> Caller:
        return Caller(name, operator=name in self._operators)


def _presented_digest(authorization: str | None) -> bytes:
    scheme, _, key = (authorization or "").partition(" ")
    return _digest(key.strip() if scheme.lower() == "bearer" else "")


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
