"""HTTP connections within bounds: nobody holds them by saying nothing.

What breaks a bound is closed before a request of it is read. uvicorn's `limit_concurrency` looks
after the head, and counts open connections: half heads would turn honest calls into 503.
"""

import asyncio
import ipaddress
import resource
import socket
import struct
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

from api.http.guards.request_guards import DELIVERIES

_FILES_FOR_OTHERS: Final = 256
"""Open files that a process needs beside connections."""
_AT_ONCE: Final = struct.pack("ii", 1, 0)
"""What is still to be sent is forgotten."""


def _most_connections() -> int:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(64, min(4_096, files - _FILES_FOR_OTHERS))


@dataclass(frozen=True)
class ConnectionBounds:
    """Connections in all, connections of one peer, and seconds: until a request's head is whole
    (and the rest of a body that was answered before it was), until a peer takes what it is sent.

    A peer is an IPv4 address or an IPv6 network of 64 bits. On loopback a proxy may be the peer of
    everybody: such connections count only in all.
    """

    in_all: int = _most_connections()
    of_a_peer: int = 256
    head_s: float = 10.0
    unread_s: float = 30.0
    loopback_is_a_peer: bool = False


class Connections:
    """The open connections of one server, and which of them can be spared, oldest first.

    Those are all for which nothing is worked on, those whose peer does not read, and those that
    send a body which takes no key and is not whole yet: anybody may.
    """

    def __init__(self, bounds: ConnectionBounds) -> None:
        self.bounds = bounds
        self._open = 0
        self._peers: Counter[str] = Counter()
        self._spare: dict[BoundedProtocol, None] = {}

    def add(self, connection: "BoundedProtocol") -> bool:
        """Whether there is room: a connection that can be spared makes room for it."""
        if self._peers[connection.peer] >= self.bounds.of_a_peer and connection.peer:
            return self._replace(connection, connection.peer)
        if self._open >= self.bounds.in_all:
            return self._replace(connection, "")
        self._count(connection, 1)
        return True

    def remove(self, connection: "BoundedProtocol") -> None:
        self._spare.pop(connection, None)
        self._count(connection, -1)

    def mark(self, connection: "BoundedProtocol", *, spare: bool) -> None:
        """Say whether a connection can be spared."""
        if spare:
            self._spare.setdefault(connection, None)
        else:
            self._spare.pop(connection, None)

    def _replace(self, connection: "BoundedProtocol", peer: str) -> bool:
        """Drop the connection, of this peer if one is named, that can be spared longest."""
        oldest = next((each for each in self._spare if not peer or each.peer == peer), None)
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
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.peer = _peer(self.client, loopback=self._table.bounds.loopback_is_a_peer)
        self._counted = self._table.add(self)
        if self._counted:
            self._look(head_is_due=True)
        else:
            self.drop()

    def data_received(self, data: bytes) -> None:
        if not self.transport.is_closing():
            super().data_received(data)
            self._look(head_is_due=True)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._look()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._look()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._look()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        super().connection_lost(exc)

    def drop(self) -> None:
        """Close without an answer, and give the place back at once, in the kernel too."""
        self._leave()
        if self.transport.get_write_buffer_size():
            end = self.transport.get_extra_info("socket")
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.transport.abort()

    def _look(self, *, head_is_due: bool = False) -> None:
        """Say whether it can be spared, and limit the times until the next head is whole, and
        until its peer takes what it is sent."""
        if not self._counted:
            return
        bounds = self._table.bounds
        works = self.cycle is not None and not self.cycle.response_complete
        unknown = works and self.cycle.more_body and self.scope["path"] == DELIVERIES
        self._table.mark(self, spare=not works or unknown or self.flow.write_paused)
        if works:
            self._end_timer("head")
        elif head_is_due:
            self._begin_timer("head", bounds.head_s)
        if self.flow.write_paused or self.transport.is_closing():
            self._begin_timer("unread", bounds.unread_s)
        else:
            self._end_timer("unread")

    def _leave(self) -> None:
        for name in list(self._timers):
            self._end_timer(name)
        if self._counted:
            self._table.remove(self)
            self._counted = False

    def _begin_timer(self, name: str, seconds: float) -> None:
        if name not in self._timers:
            self._timers[name] = self.loop.call_later(seconds, self.drop)

    def _end_timer(self, name: str) -> None:
        if timer := self._timers.pop(name, None):
            timer.cancel()


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
