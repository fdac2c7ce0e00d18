"""HTTP connections within bounds: nobody holds them by saying nothing.

What breaks a bound is closed before a request of it is read. uvicorn's `limit_concurrency` looks
after the head, and counts open connections: half heads would turn honest calls into 503.
"""

import asyncio
import ipaddress
import resource
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

_FILES_FOR_OTHERS: Final = 256
"""Open files that a process needs beside connections."""


def _most_connections() -> int:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(64, min(4_096, files - _FILES_FOR_OTHERS))


@dataclass(frozen=True)
class ConnectionBounds:
    """Connections in all, connections of one peer, and seconds until a request's head is whole.

    A peer is an IPv4 address or an IPv6 network of 64 bits. On loopback a proxy may be the peer of
    everybody: such connections count only in all.
    """

    in_all: int = _most_connections()
    of_a_peer: int = 256
    head_s: float = 10.0
    loopback_is_a_peer: bool = False


class Connections:
    """The open connections of one server, and which of them wait for a head, oldest first."""

    def __init__(self, bounds: ConnectionBounds) -> None:
        self.bounds = bounds
        self._open = 0
        self._peers: Counter[str] = Counter()
        self._waiting: dict[BoundedProtocol, None] = {}

    def add(self, connection: "BoundedProtocol") -> bool:
        """Whether there is room: a connection that still waits for a head makes room for it."""
        if self._peers[connection.peer] >= self.bounds.of_a_peer and connection.peer:
            return self._replace(connection, connection.peer)
        if self._open >= self.bounds.in_all:
            return self._replace(connection, "")
        self._count(connection, 1)
        return True

    def remove(self, connection: "BoundedProtocol") -> None:
        self._waiting.pop(connection, None)
        self._count(connection, -1)

    def wait(self, connection: "BoundedProtocol") -> None:
        self._waiting[connection] = None

    def end_wait(self, connection: "BoundedProtocol") -> None:
        self._waiting.pop(connection, None)

    def _replace(self, connection: "BoundedProtocol", peer: str) -> bool:
        """Drop the connection, of this peer if one is named, that has waited longest."""
        waiting = (each for each in self._waiting if not peer or each.peer == peer)
        oldest = next(waiting, None)
        if oldest is None:
            return False
        oldest.drop()
        self._count(connection, 1)
        return True

    def _count(self, connection: "BoundedProtocol", change: int) -> None:
        self._open += change
        self._peers[connection.peer] += change
        if not self._peers[connection.peer]:
            del self._peers[connection.peer]


class BoundedProtocol(H11Protocol):
    """uvicorn's protocol on one of `table`'s connections."""

    def __init__(self, *args: Any, table: Connections, **options: Any) -> None:
        super().__init__(*args, **options)
        self.peer = ""
        self._table = table
        self._counted = False
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.peer = _peer(self.client, loopback=self._table.bounds.loopback_is_a_peer)
        self._counted = self._table.add(self)
        if self._counted:
            self._wait_for_head()
        else:
            self.drop()

    def data_received(self, data: bytes) -> None:
        if not self.transport.is_closing():
            super().data_received(data)
            self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_wait()
        if self._counted:
            self._table.remove(self)
            self._counted = False
        super().connection_lost(exc)

    def drop(self) -> None:
        """Close without an answer, and give the place back at once."""
        self._end_wait()
        if self._counted:
            self._table.remove(self)
            self._counted = False
        self.transport.abort()

    def _wait_for_head(self) -> None:
        """Begin to wait where a head is due, and end it where one is whole."""
        if self.conn.their_state is not h11.IDLE:
            self._end_wait()
        elif self._head_timer is None:
            self._table.wait(self)
            self._head_timer = self.loop.call_later(self._table.bounds.head_s, self.drop)

    def _end_wait(self) -> None:
        self._table.end_wait(self)
        if self._head_timer:
            self._head_timer.cancel()
            self._head_timer = None


def _peer(client: tuple[str, int] | None, *, loopback: bool) -> str:
    """Whose connections count together; empty for those that count only in all."""
    try:
        address = ipaddress.ip_address(client[0].partition("%")[0]) if client else None
    except ValueError:
        address = None
    if address is None or (address.is_loopback and not loopback):
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped or ipaddress.ip_network((address, 64), strict=False))
    return str(address)
