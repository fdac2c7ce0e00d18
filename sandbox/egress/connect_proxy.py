"""The one way out of set-up: a proxy to named hosts, TLS alone, on a Unix socket of its own.

A name is resolved once, here, and connected to at the address that was judged, so that no second
answer of a name server leads elsewhere. What TLS carries is not looked into.
"""

import asyncio
import contextlib
import os
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from graph.calls import acquire, end_tasks, to_the_end
from sandbox.egress.allowlist import SetupHost, find_host
from sandbox.egress.tls_client_hello import NotTls, read_client_hello, server_name

SOCKET: Final = "proxy"
_REQUEST = re.compile(rb"([A-Z]{1,16}) (\S{1,300}) HTTP/1\.[01]\r?\n")
_TARGET = re.compile(r"(?P<name>[a-z0-9.-]{1,253}):(?P<port>\d{1,5})")
_UNSHOWN = re.compile(rb"[^!-~]")
_LONGEST_HEAD: Final = 16 * 1024
_PIECE: Final = 64 * 1024
_MAX_UNREAD: Final = 1 << 20
_MAX_DENIALS_KEPT: Final = 20


@dataclass(frozen=True)
class ProxyLimits:
    """Of one set-up: bytes in all, connections at a time, seconds that a peer may take."""

    down_bytes: int = 4 << 30
    up_bytes: int = 64 << 20
    connections: int = 64
    patience_s: float = 60.0


UNNAMED: Final = "is not in CODING_AGENT_SETUP_HOSTS"
"""What is said of a host that is asked for and not named."""


@dataclass
class SetupProxy:
    """Serves one set-up. `denied` names what it was asked for and did not do."""

    hosts: tuple[SetupHost, ...]
    limits: ProxyLimits = ProxyLimits()
    denied: list[str] = field(default_factory=list)
    up: int = 0
    down: int = 0
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    @asynccontextmanager
    async def serving(self, folder: Path, uid: int | None) -> AsyncIterator[Path]:
        """The socket in `folder`, for `uid` alone; gone with all connections at the end."""
        server = await acquire(self._start(folder, uid), asyncio.Server.close)
        try:
            yield folder / SOCKET
        finally:
            server.close()
            try:
                await end_tasks(*self._tasks)
            finally:
                await to_the_end(asyncio.to_thread((folder / SOCKET).unlink, missing_ok=True))

    async def _start(self, folder: Path, uid: int | None) -> asyncio.Server:
        listener = await asyncio.to_thread(_listen, folder, uid)
        return await asyncio.start_unix_server(self._accept, sock=listener, limit=_LONGEST_HEAD)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            try:
                await self._connect(reader, writer)
            except ProxyDenied as denial:
                self._note_denial(str(denial))
                with contextlib.suppress(OSError, TimeoutError):
                    await self._refuse(denial, reader, writer)
            except NotTls as error:
                self._note_denial(str(error))
            except (OSError, TimeoutError, asyncio.IncompleteReadError):
                return  # the other side is gone, or does not answer: the client sees the end

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._tasks) > self.limits.connections:
            if len(self._tasks) > 2 * self.limits.connections:
                return  # those that are told why must not become many either
            raise ProxyDenied(503, f"more than {self.limits.connections} connections at a time")
        async with asyncio.timeout(self.limits.patience_s):
            host = await self._read_request(reader)
            addresses = await resolve(host)
            far_reader, far_writer = await _open(host, addresses)
        with contextlib.closing(far_writer):
            async with asyncio.timeout(self.limits.patience_s):
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                await writer.drain()
                hello = await read_client_hello(reader)
                if (name := server_name(hello)) != host.name:
                    raise NotTls(f"{host.name}: TLS asks for another server, {name[:100]!a}")
                self.up += len(hello)
                far_writer.write(hello)
            await self._relay((reader, writer), (far_reader, far_writer))

    async def _refuse(
        self, denial: "ProxyDenied", reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer, and read on until the other side ends.

        Who is still sending when a socket is closed gets an error instead of the answer.
        """
        async with asyncio.timeout(self.limits.patience_s):
            writer.write(denial.answer)
            await writer.drain()
            writer.write_eof()
            left = _MAX_UNREAD
            while left > 0 and (data := await reader.read(_PIECE)):
                left -= len(data)

    async def _read_request(self, reader: asyncio.StreamReader) -> SetupHost:
        """The host of a CONNECT; what else is asked is denied."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError as error:
            raise ProxyDenied(431, "a request without an end") from error
        request = _REQUEST.match(head)
        if request is None:
            raise ProxyDenied(400, "what was sent is no HTTP request")
        asked = _UNSHOWN.sub(b"?", request[2]).decode()
        if request[1] != b"CONNECT":
            raise ProxyDenied(405, f"{asked[:200]}: only TLS is let through")
        target = _TARGET.fullmatch(asked.lower())
        host = target and find_host(self.hosts, target["name"].rstrip("."), int(target["port"]))
        if host is None:
            raise ProxyDenied(403, f"{asked[:200]} {UNNAMED}")
        return host

    async def _relay(self, near: "_Stream", far: "_Stream") -> None:
        """Both ways, until both have ended or one has failed."""
        pumps = [
            asyncio.create_task(self._pump(near[0], far[1], upward=True)),
            asyncio.create_task(self._pump(far[0], near[1], upward=False)),
        ]
        try:
            await asyncio.gather(*pumps)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.wait(pumps)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, upward: bool
    ) -> None:
        while data := await reader.read(_PIECE):
            self._count(len(data), upward=upward)
            writer.write(data)
            async with asyncio.timeout(self.limits.patience_s):
                await writer.drain()
        writer.write_eof()

    def _count(self, size: int, *, upward: bool) -> None:
        """Raises TimeoutError where a limit is spent: what goes on is cut off."""
        self.up, self.down = (self.up + size, self.down) if upward else (self.up, self.down + size)
        if self.up > self.limits.up_bytes or self.down > self.limits.down_bytes:
            self._note_denial("more bytes than set-up may send or take")
            raise TimeoutError

    def _note_denial(self, denial: str) -> None:
        if denial not in self.denied and len(self.denied) < _MAX_DENIALS_KEPT:
            self.denied.append(denial)


_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class ProxyDenied(Exception):
    """Raised for what is not let through."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        text = f"{reason}\n".encode()
        head = f"HTTP/1.1 {status} {reason[:200]}\r\nContent-Length: {len(text)}\r\n"
        self.answer = f"{head}Connection: close\r\n\r\n".encode() + text


async def resolve(host: SetupHost) -> list[str]:
    """The addresses of a host that may be connected to."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host.name, host.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ProxyDenied(502, f"{host.name} is not known: {error.strerror}") from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    allowed = [address for address in addresses if host.may_be(address)]
    if not allowed:
        raise ProxyDenied(403, f"{host.name} has no address that set-up may reach")
    return allowed


async def _open(host: SetupHost, addresses: list[str]) -> _Stream:
    for address in addresses:
        with contextlib.suppress(OSError):
            return await asyncio.open_connection(address, host.port)
    raise ProxyDenied(502, f"{host.name} does not answer")


def _listen(folder: Path, uid: int | None) -> socket.socket:
    """Bound by the folder's descriptor: a path of any length, and no other socket's place.

    One that is left there is of a process that was killed, or of a caller that was cancelled.
    """
    (folder / SOCKET).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        listener.bind(f"/proc/self/fd/{handle}/{SOCKET}")
    finally:
        os.close(handle)
    if uid is not None:
        os.chown(folder / SOCKET, uid, uid)
    (folder / SOCKET).chmod(0o600)
    return listener
