"""Clients of PyGithub, each with one user at a time and one token."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pydantic import SecretStr

if TYPE_CHECKING:
    import github as pygithub


class ClientPool:
    """Keeps clients for their next use; one that nobody uses has open connections alone."""

    def __init__(self, make: "Callable[[SecretStr | None], pygithub.Github]") -> None:
        self._make = make
        self._idle: defaultdict[SecretStr | None, deque[pygithub.Github]] = defaultdict(deque)

    def add(self, token: SecretStr | None) -> None:
        """Make a client ahead of its first use."""
        self._idle[token].append(self._make(token))

    @contextmanager
    def client(self, token: SecretStr | None) -> "Iterator[pygithub.Github]":
        """A client that nobody else uses meanwhile."""
        idle = self._idle[token]
        try:
            client = idle.pop()
        except IndexError:
            client = self._make(token)
        try:
            yield client
        finally:
            idle.append(client)

    def drop(self, token: SecretStr) -> None:
        """Close the clients of a token that has ended."""
        for client in self._idle.pop(token, ()):
            client.close()

    def close(self) -> None:
        while self._idle:
            for client in self._idle.popitem()[1]:
                client.close()
