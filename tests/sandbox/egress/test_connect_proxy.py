"""The proxy of set-up, asked over its socket by clients that may do as they like."""

import asyncio
import os
import socket
import ssl
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.egress.allowlist import SetupHost
from sandbox.egress.connect_proxy import ProxyLimits, SetupProxy
from sandbox.egress.tls_client_hello import NotTls, read_client_hello, server_name
from tests.standins.certificate import NAME
from tests.standins.package_index import PackageIndex
from tests.support.cut_short import cut_at_each_step


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PackageIndex]:
    with PackageIndex(tmp_path_factory.mktemp("index")) as index:
        yield index


@asynccontextmanager
async def proxied(
    folder: Path, *hosts: str, **limits: Any
) -> AsyncIterator[tuple[SetupProxy, Path]]:
    proxy = SetupProxy(tuple(map(SetupHost.parse, hosts)), ProxyLimits(**limits))
    async with proxy.serving(folder, None) as path:
        yield proxy, path


def knock(path: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(20)
    try:
        client.connect(str(path))
    except OSError:
        client.close()
        raise
    return client


@contextmanager
def asked(path: Path, request: str) -> Iterator[tuple[str, socket.socket]]:
    """The first line that the proxy answers, and the connection."""
    with knock(path) as client:
        client.sendall(request.encode("latin-1"))
        head = b""
        while not head.endswith(b"\r\n\r\n") and (data := client.recv(1)):
            head += data
        yield head.decode("latin-1").partition("\r\n")[0], client


@contextmanager
def connected(path: Path, target: str) -> Iterator[socket.socket]:
    with asked(path, f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n") as (line, client):
        assert line == "HTTP/1.1 200 Connection established"
        yield client


def _answer(path: Path, request: str) -> str:
    with asked(path, request) as (line, _):
        return line


def _fetch(path: Path, index: PackageIndex, name: str, target: str) -> bytes:
    context = ssl.create_default_context(cadata=index.certificate)
    context.check_hostname = False
    with (
        connected(path, target) as plain,
        context.wrap_socket(plain, server_hostname=name) as client,
    ):
        client.sendall(b"GET /plain HTTP/1.1\r\nHost: x\r\n\r\n")
        return b"".join(iter(lambda: client.recv(9999), b""))


async def answer(path: Path, request: str) -> str:
    return await asyncio.to_thread(_answer, path, request)


async def fetch(path: Path, index: PackageIndex, name: str = NAME, target: str = "") -> bytes:
    """What the index answers through the proxy to a client that asks for `name`."""
    return await asyncio.to_thread(_fetch, path, index, name, target or index.host)


async def send(path: Path, target: str, data: bytes) -> bytes:
    """What comes back of bytes sent through an open connection."""

    def sent() -> bytes:
        with connected(path, target) as client:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            return client.recv(9999)

    return await asyncio.to_thread(sent)


async def test_a_named_host_is_reached_by_tls(tmp_path: Path, index: PackageIndex) -> None:
    async with proxied(tmp_path, index.host) as (proxy, path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert (await fetch(path, index)).endswith(b"hello\n")
        assert (await fetch(path, index, target=index.host.upper())).endswith(b"hello\n")
        assert proxy.denied == []
        assert proxy.down > proxy.up > 0
    assert not path.exists()


@pytest.mark.parametrize(
    ("request_line", "status", "told"),
    [
        ("CONNECT other.example:443 HTTP/1.1", "403", "other.example:443 is not in"),
        ("CONNECT localhost:1 HTTP/1.1", "403", "localhost:1 is not in"),
        ("CONNECT 127.0.0.1:{port} HTTP/1.1", "403", "127.0.0.1:{port} is not in"),
        ("CONNECT [::1]:{port} HTTP/1.1", "403", "[::1]:{port} is not in"),
        ("CONNECT localhost:443 HTTP/1.1", "403", "localhost has no address"),
        ("CONNECT nowhere.invalid:443 HTTP/1.1", "502", "nowhere.invalid is not known"),
        ("CONNECT localhost:{closed} HTTP/1.1", "502", "localhost does not answer"),
        ("GET http://localhost:{port}/ HTTP/1.1", "405", "only TLS is let through"),
        ("CONNECT x@localhost:{port} HTTP/1.1", "403", "x@localhost:{port} is not in"),
        ("hello", "400", "no HTTP request"),
        (f"CONNECT {'a' * 400}:443 HTTP/1.1", "400", "no HTTP request"),
    ],
)
async def test_what_is_not_named_is_refused_and_told(
    tmp_path: Path, index: PackageIndex, request_line: str, status: str, told: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = taken.getsockname()[1]
    ports = {"port": index.port, "closed": closed}
    hosts = (index.host, "localhost", "nowhere.invalid", f"localhost:{closed}")
    before = index.asked.total()
    async with proxied(tmp_path, *hosts) as (proxy, path):
        line = await answer(path, f"{request_line.format(**ports)}\r\n\r\n")
        assert line.split(" ")[1] == status
        assert told.format(**ports) in proxy.denied[0]
    assert index.asked.total() == before


async def test_what_is_not_tls_goes_nowhere(tmp_path: Path) -> None:
    """The far side here takes anything: that it gets nothing is the proxy's doing."""
    got = bytearray()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.extend(await reader.read())
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    target = f"localhost:{server.sockets[0].getsockname()[1]}"
    async with server, proxied(tmp_path, target) as (proxy, path):
        for sent in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05\x02\0\0\x01\0", b""):
            assert await send(path, target, sent) == b""
        assert len(proxy.denied) == 3
        assert got == b""
        hello = _hello("localhost")  # the control: TLS arrives
        assert await send(path, target, hello) == b""
        assert got == hello


@pytest.mark.parametrize("name", ["other.example", "localhost.other.example", "127.0.0.1"])
async def test_tls_for_another_name_is_refused(
    tmp_path: Path, index: PackageIndex, name: str
) -> None:
    async with proxied(tmp_path, index.host) as (proxy, path):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await fetch(path, index, name)
        assert proxy.denied[0] in (
            f"localhost: TLS asks for another server, '{name}'",
            "the hello names 0 servers",
        )


async def test_a_name_is_resolved_once_and_connected_to_as_judged(
    tmp_path: Path, index: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server whose next answer is another address wins nothing."""
    asked: list[str] = []
    loop = asyncio.get_running_loop()
    resolve = loop.getaddrinfo

    async def rebinding(host: str, port: int, **more: Any) -> Any:
        if host != NAME:
            return await resolve(host, port, **more)
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "169.254.169.254"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(loop, "getaddrinfo", rebinding)
    async with proxied(tmp_path, index.host) as (proxy, path):
        assert (await fetch(path, index)).endswith(b"hello\n")
        assert asked == [NAME]
        line = await answer(path, f"CONNECT {index.host} HTTP/1.1\r\n\r\n")
        assert line.startswith("HTTP/1.1 403")
        assert proxy.denied == [f"{NAME} has no address that set-up may reach"]


@pytest.mark.parametrize("limit", ["up_bytes", "down_bytes"])
async def test_bytes_are_counted(tmp_path: Path, index: PackageIndex, limit: str) -> None:
    async with proxied(tmp_path, index.host, **{limit: 300}) as (proxy, path):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await fetch(path, index)
        assert proxy.denied == ["more bytes than set-up may send or take"]


async def test_connections_are_counted(tmp_path: Path, index: PackageIndex) -> None:
    async with proxied(tmp_path, index.host, connections=1, patience_s=60) as (_, path):
        silent = await asyncio.to_thread(knock, path)
        line = await answer(path, f"CONNECT {index.host} HTTP/1.1\r\n\r\n")
        silent.close()
    assert line.startswith("HTTP/1.1 503")


async def test_who_is_refused_may_send_on_and_gets_the_answer(
    tmp_path: Path, index: PackageIndex
) -> None:
    """Whether it asks before or after the refusal, and however much it sends."""

    def late(path: Path) -> bytes:
        with knock(path) as client:
            first = client.recv(12)
            client.sendall(b"CONNECT " + b"a" * 300_000)
            client.shutdown(socket.SHUT_WR)
            return first + b"".join(iter(lambda: client.recv(9999), b""))

    async with proxied(tmp_path, index.host, connections=1, patience_s=60) as (_, path):
        silent = await asyncio.to_thread(knock, path)
        assert (await asyncio.to_thread(late, path)).startswith(b"HTTP/1.1 503 more than 1 conn")
        silent.close()
    async with proxied(tmp_path, index.host, patience_s=60) as (_, path):
        body = f"POST http://{index.host}/ HTTP/1.1\r\n\r\n{'a' * 300_000}"
        assert (await answer(path, body)).startswith("HTTP/1.1 405")


async def test_those_that_are_told_that_there_are_too_many_do_not_become_many(
    tmp_path: Path, index: PackageIndex
) -> None:
    async with proxied(tmp_path, index.host, connections=2, patience_s=60) as (_, path):
        with ExitStack() as opened:
            for asked in range(4):
                client = opened.enter_context(await asyncio.to_thread(knock, path))
                if asked >= 2:
                    assert await asyncio.to_thread(client.recv, 12) == b"HTTP/1.1 503"
            fifth = opened.enter_context(await asyncio.to_thread(knock, path))
            assert await asyncio.to_thread(fifth.recv, 12) == b""


async def test_a_silent_connection_is_ended_and_makes_room(
    tmp_path: Path, index: PackageIndex
) -> None:
    async with proxied(tmp_path, index.host, connections=1, patience_s=0.5) as (_, path):
        silent = await asyncio.to_thread(knock, path)
        assert await asyncio.to_thread(silent.recv, 9) == b""
        silent.close()
        assert (await fetch(path, index)).endswith(b"hello\n")


async def test_the_end_of_set_up_ends_its_connections(tmp_path: Path, index: PackageIndex) -> None:
    with ExitStack() as opened:
        async with proxied(tmp_path, index.host) as (_, path):
            client = await asyncio.to_thread(opened.enter_context, connected(path, index.host))
        assert await asyncio.to_thread(client.recv, 9) == b""
    with pytest.raises(FileNotFoundError):
        knock(path)


async def test_a_folder_of_any_length_serves(tmp_path: Path, index: PackageIndex) -> None:
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    async with proxied(deep, index.host):
        handle = os.open(deep, os.O_RDONLY)
        path = Path(f"/proc/self/fd/{handle}/proxy")
        assert (await fetch(path, index)).endswith(b"hello\n")
        os.close(handle)


def _hello(name: str) -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


async def read(data: bytes) -> str:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return server_name(await read_client_hello(reader))


async def test_a_hello_in_pieces_is_put_together() -> None:
    body = _hello("a.example")[5:]
    pieces = [body[:3], body[3:50], body[50:]]
    records = b"".join(b"\x16\x03\x01" + len(part).to_bytes(2) + part for part in pieces)
    assert await read(records) == "a.example"


async def test_a_hello_that_hides_its_name_is_refused() -> None:
    """The outer name of an encrypted hello is no proof of the inner one."""
    hello = _hello("a.example")
    more = (0xFE0D).to_bytes(2) + (1).to_bytes(2) + b"\0"
    at = hello.index(b"a.example") - 9  # where the extensions begin
    start = hello.rindex(int.from_bytes(hello[at - 2 : at]).to_bytes(2), 0, at)
    grown = bytearray(hello[:at] + more + hello[at:])
    grown[start : start + 2] = (int.from_bytes(hello[start:at]) + len(more)).to_bytes(2)
    grown[3:5] = (int.from_bytes(hello[3:5]) + len(more)).to_bytes(2)
    grown[6:9] = (int.from_bytes(hello[6:9]) + len(more)).to_bytes(3)
    with pytest.raises(NotTls, match="hides"):
        await read(bytes(grown))


@given(st.binary(max_size=300), st.integers(0, 400))
def test_any_bytes_are_a_hello_or_none(noise: bytes, cut: int) -> None:
    for data in (noise, b"\x16\x03\x01" + len(noise).to_bytes(2) + noise, _SAMPLE[:cut] + noise):
        with suppress(NotTls):
            assert asyncio.run(read(data)) == "a.example"


_SAMPLE = _hello("a.example")


async def test_who_is_cancelled_as_it_begins_or_ends_keeps_no_place(tmp_path: Path) -> None:
    async def serve() -> None:
        async with proxied(tmp_path):
            await asyncio.sleep(0)

    async for _ in cut_at_each_step(serve, again=1):
        async with proxied(tmp_path) as (_, path):
            knock(path).close()
        assert not path.exists()


async def test_the_socket_of_a_killed_service_is_in_nobodys_way(tmp_path: Path) -> None:
    async with proxied(tmp_path) as (_, path):
        left = tmp_path / "left"
        path.rename(left)
    left.rename(path)
    async with proxied(tmp_path) as (_, path):
        knock(path).close()
