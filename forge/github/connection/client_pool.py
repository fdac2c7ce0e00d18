"""Clients of PyGithub, each with one user at a time and one token."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

from pydantic import SecretStr

if TYPE_CHECKING:
    import github as pygithub


class ClientPool:
    """Keeps clients for their next use; one that nobody uses has open connections alone.

    It is used from several threads. What is given back after its token's end, or the pool's, is
    closed.
    """

    def __init__(self, make: "Callable[[SecretStr | None], pygithub.Github]") -> None:
        self._make = make
        self._idle: dict[SecretStr | None, list[pygithub.Github]] = {}
        self._lock = Lock()

    def add(self, token: SecretStr | None) -> None:
        """Make a client ahead of its first use."""
        with self.client(token):
            pass

    @contextmanager
    def client(self, token: SecretStr | None) -> "Iterator[pygithub.Github]":
        """A client that nobody else uses meanwhile."""
        with self._lock:
            idle = self._idle.setdefault(token, [])
            kept = idle.pop() if idle else None
        client = kept or self._make(token)
        try:
            yield client
        finally:
            with self._lock:
                is_kept = self._idle.get(token) is idle
                if is_kept:
                    idle.append(client)
            if not is_kept:
                client.close()

    def drop(self, token: SecretStr) -> None:
        """Close the clients of a token that has ended."""
        with self._lock:
            ended = self._idle.pop(token, [])
        for client in ended:
            client.close()

    def close(self) -> None:
        with self._lock:
            ended = [client for idle in self._idle.values() for client in idle]
            self._idle.clear()
        for client in ended:
            client.close()
