"""Connections that say nothing, or half of something, on a real server."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import httpx
import pytest

from api.http.bounded_protocol import ConnectionBounds, _peer
from api.http.server import make_server
from tests.standins.servers.http_service import PromptServer, make_app
from tests.standins.services.in_memory_run_service import MemoryService

HALF = b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Half: "
WHOLE = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
LONG_S = 3600.0


@asynccontextmanager
async def server_of(
    bounds: ConnectionBounds, service: MemoryService, *, kernel_holds: int | None = None
) -> AsyncIterator[int]:
    """The port of a server within these bounds; `kernel_holds` so many bytes of answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        if kernel_holds:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, kernel_holds)
        made = make_server(make_app(service.open), host="127.0.0.1", port=0, bounds=bounds)
        server = PromptServer(made.config)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        await server.ready.wait()
        try:
            yield listener.getsockname()[1]
        finally:
            server.stop.set()
            await task


class Connection:
    """A client's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self) -> bytes:
        """The first line of the answer; nothing where the server has closed."""
        try:
            line = await asyncio.wait_for(self._reader.readline(), 30)
        except ConnectionError:
            return b""
        length = 0
        while head := (await self._reader.readline()).strip():
            if head.lower().startswith(b"content-length:"):
                length = int(head.partition(b":")[2])
        await self._reader.readexactly(length)
        return line.strip()

    async def closed(self) -> None:
        """Return once the server has closed."""
        assert await self.answer() == b""


@pytest.fixture
async def opened() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def connect(opened: AsyncExitStack, port: int, data: bytes = b"") -> Connection:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    opened.callback(writer.close)
    connection = Connection(reader, writer)
    await connection.send(data)
    return connection


@pytest.mark.parametrize("data", [b"", HALF])
async def test_a_head_that_does_not_end_is_dropped(opened: AsyncExitStack, data: bytes) -> None:
    async with server_of(ConnectionBounds(head_s=0.2), MemoryService()) as port:
        await (await connect(opened, port, data)).closed()


async def test_dripping_on_does_not_make_the_time_longer(opened: AsyncExitStack) -> None:
    async with server_of(ConnectionBounds(head_s=0.5), MemoryService()) as port:
        connection = await connect(opened, port, HALF)
        closed = asyncio.create_task(connection.closed())
        while not closed.done():
            with suppress(ConnectionError):
                await connection.send(b"x")
            await asyncio.sleep(0.02)
        await closed


async def test_half_a_body_without_a_key_makes_room(opened: AsyncExitStack) -> None:
    body = b"POST /webhooks/github HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{"
    async with server_of(ConnectionBounds(in_all=2), MemoryService()) as port:
        first, second = await connect(opened, port, body), await connect(opened, port, body)
        await asyncio.sleep(0.1)
        for _ in range(2):
            honest = await connect(opened, port, WHOLE)
            assert await honest.answer() == b"HTTP/1.1 200 OK"
        await first.closed()
        await second.closed()


@pytest.mark.slow
async def test_a_half_head_after_a_whole_request_is_dropped_too(opened: AsyncExitStack) -> None:
    async with server_of(ConnectionBounds(head_s=2.0), MemoryService()) as port:
        connection = await connect(opened, port, WHOLE)
        assert await connection.answer() == b"HTTP/1.1 200 OK"
        await asyncio.sleep(2.5)  # nothing is due: the connection is only kept alive
        await connection.send(WHOLE)
        assert await connection.answer() == b"HTTP/1.1 200 OK"
        await connection.send(HALF)
        await connection.closed()


async def test_a_stream_is_no_half_head(opened: AsyncExitStack) -> None:
    service = MemoryService()
    run_id = service.add()
    service.emit(run_id, "run.queued", position=0)
    async with server_of(ConnectionBounds(head_s=0.2), service) as port:
        address = f"http://127.0.0.1:{port}/runs/{run_id}/events"
        async with httpx.AsyncClient() as client, client.stream("GET", address) as answer:
            lines = answer.aiter_lines()
            await anext(lines)
            await asyncio.sleep(0.6)
            service.finish(run_id)
            assert [line async for line in lines if line.startswith("event: run.finished")]


async def test_half_heads_make_room_for_honest_calls(opened: AsyncExitStack) -> None:
    bounds = ConnectionBounds(in_all=40, head_s=LONG_S)
    async with server_of(bounds, MemoryService()) as port:
        halves = [await connect(opened, port, HALF) for _ in range(200)]
        honest = await connect(opened, port, WHOLE)
        assert await honest.answer() == b"HTTP/1.1 200 OK"
        await asyncio.gather(*(half.closed() for half in halves[:160]))
        await halves[-1].send(b"whole\r\n\r\n")
        assert await halves[-1].answer() == b"HTTP/1.1 200 OK"


async def test_what_works_is_not_dropped_for_another(opened: AsyncExitStack) -> None:
    bounds = ConnectionBounds(in_all=3, head_s=LONG_S)
    async with server_of(bounds, MemoryService()) as port:
        known = [await connect(opened, port, WHOLE) for _ in range(3)]
        assert [await each.answer() for each in known] == [b"HTTP/1.1 200 OK"] * 3
        service_calls = [each.send(b"POST /code HTTP/1.1\r\nHost: localhost\r\n"
                                   b"Content-Type: application/json\r\n"
                                   b"Content-Length: 2\r\n\r\n{") for each in known]  # fmt: skip
        await asyncio.gather(*service_calls)
        await asyncio.sleep(0.1)
        await (await connect(opened, port, WHOLE)).closed()
        await asyncio.gather(*(each.send(b"}") for each in known))
        answers = [await each.answer() for each in known]
        assert all(answer.startswith(b"HTTP/1.1 422") for answer in answers)


async def test_one_peer_does_not_take_the_places_of_others(opened: AsyncExitStack) -> None:
    bounds = ConnectionBounds(in_all=50, of_a_peer=4, head_s=LONG_S, loopback_is_a_peer=True)
    async with server_of(bounds, MemoryService()) as port:
        halves = [await connect(opened, port, HALF) for _ in range(6)]
        await asyncio.gather(*(half.closed() for half in halves[:2]))
        busy = [await connect(opened, port, WHOLE) for _ in range(4)]
        assert [await each.answer() for each in busy] == [b"HTTP/1.1 200 OK"] * 4
        other = socket.create_connection(("127.0.0.1", port), source_address=("127.0.0.2", 0))
        with other:
            other.sendall(WHOLE)
            assert (await asyncio.to_thread(other.recv, 15)) == b"HTTP/1.1 200 OK"


LATE_BODY = b"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"


async def test_a_body_that_nobody_waits_for_holds_no_place(opened: AsyncExitStack) -> None:
    """An address without a key takes none, so the answer is there before it."""
    async with server_of(ConnectionBounds(in_all=1, head_s=0.5), MemoryService()) as port:
        late = await connect(opened, port, b"POST /health HTTP/1.1\r\n" + LATE_BODY)
        assert await late.answer() == b"HTTP/1.1 405 Method Not Allowed"
        await late.send(b"x")
        await late.closed()
        late = await connect(opened, port, b"POST /health HTTP/1.1\r\n" + LATE_BODY)
        assert await late.answer() == b"HTTP/1.1 405 Method Not Allowed"
        honest = await connect(opened, port, WHOLE)
        assert await honest.answer() == b"HTTP/1.1 200 OK"


MANY = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200
FEW = WHOLE * 99 + WHOLE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
"""Their answers are more than the kernel holds, and less than a writer pauses at."""


def ask_and_read_nothing(opened: AsyncExitStack, port: int, asked: bytes = MANY) -> socket.socket:
    """Ask for more than the kernel holds for a peer that does not read."""
    deaf = opened.enter_context(socket.socket())
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.connect(("127.0.0.1", port))
    deaf.sendall(asked)
    return deaf


async def test_who_reads_nothing_makes_room(opened: AsyncExitStack) -> None:
    async with server_of(ConnectionBounds(in_all=1, unread_s=LONG_S), MemoryService()) as port:
        ask_and_read_nothing(opened, port)
        answer = b""
        while not answer:  # it works until the kernel takes no more of it
            answer = await (await connect(opened, port, WHOLE)).answer()
        assert answer == b"HTTP/1.1 200 OK"


async def test_who_reads_nothing_is_dropped(opened: AsyncExitStack) -> None:
    bounds = ConnectionBounds(in_all=1, unread_s=0.3)
    async with server_of(bounds, MemoryService()) as port:
        deaf = ask_and_read_nothing(opened, port)
        while is_open(deaf):  # noqa: ASYNC110 - only the kernel knows
            await asyncio.sleep(0.05)


async def test_who_leaves_too_little_to_pause_a_writer_is_dropped_too(
    opened: AsyncExitStack,
) -> None:
    bounds = ConnectionBounds(in_all=1, unread_s=0.3)
    async with server_of(bounds, MemoryService(), kernel_holds=4096) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(FEW)
        assert 16_384 < len(await reader.read()) < 65_536
        writer.close()
        deaf = ask_and_read_nothing(opened, port, FEW)
        while is_open(deaf):  # noqa: ASYNC110 - only the kernel knows
            await asyncio.sleep(0.05)


def is_open(end: socket.socket) -> bool:
    """Whether its peer has not reset it, without reading a byte of it."""
    closed = 7
    return end.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != closed


def test_peers_are_addresses_or_networks() -> None:
    assert _peer(("192.0.2.7", 1), loopback=False) == "192.0.2.7"
    assert _peer(("2001:db8:1:2:3::4", 1), loopback=False) == "2001:db8:1:2::/64"
    assert _peer(("::ffff:192.0.2.7", 1), loopback=False) == "192.0.2.7"
    assert _peer(("fe80::1%eth0", 1), loopback=False) == "fe80::/64"
    for local in (("127.0.0.9", 1), ("::1", 1), ("", 0), None):
        assert _peer(local, loopback=False) == ""
    assert _peer(("127.0.0.9", 1), loopback=True) == "127.0.0.9"
