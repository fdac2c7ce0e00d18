"""What stands before the routes: hosts, origins, bodies, headers, the access log."""

import asyncio
import logging

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from api.http.guards.auth import Auth
from api.http.guards.request_guards import BodyGuard
from api.http.server import MAX_HEADER_BYTES
from tests.standins.servers.http_service import (
    CODE,
    KEYS,
    client_of,
    make_app,
    serving,
)
from tests.standins.services.in_memory_run_service import MemoryService


async def raw(address: str, request: bytes, *, line: bool = False) -> bytes:
    """What the server sends to a request that no client library would send; `line`: the first."""
    host, _, port = address.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    async with asyncio.timeout(60):
        answer = await (reader.readline() if line else reader.read())
    writer.close()
    await writer.wait_closed()
    return answer


HOSTS = {
    "localhost": 200,
    "LOCALHOST:8000": 200,
    "127.0.0.1:1": 200,
    "[::1]:80": 200,
    "evil.example": 400,
    "localhost.evil.example": 400,
    "evil.example:80": 400,
    "127.0.0.1@evil.example": 400,
    "127.0.0.1:80:80": 400,
    "": 400,
}


async def test_only_known_hosts_are_answered(subtests: pytest.Subtests) -> None:
    async with client_of(MemoryService()) as client:
        for host, status in HOSTS.items():
            with subtests.test(host):
                answer = await client.get("/health", headers={"Host": host})
                assert answer.status_code == status
                assert answer.json().get("code") == (None if status == 200 else "host_not_allowed")


async def test_hosts_can_be_set() -> None:
    hosts = ("agent.example", "other.example:8443")
    async with client_of(MemoryService(), hosts=hosts) as client:

        async def status(host: str) -> int:
            return (await client.get("/health", headers={"Host": host})).status_code

        assert await status("Agent.Example") == 200
        assert await status("agent.example:444") == 200
        assert await status("other.example:8443") == 200
        assert await status("other.example") == 400
        assert await status("localhost") == 400


async def test_two_hosts_and_none_are_refused() -> None:
    async with serving(make_app(MemoryService().open)) as address:
        two = b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\nConnection: close\r\n\r\n"
        assert (await raw(address, two)).startswith(b"HTTP/1.1 400")
        none = b"GET /health HTTP/1.0\r\n\r\n"
        assert b" 400 " in (await raw(address, none)).splitlines()[0]


ORIGINS = {
    "http://localhost:8000": 200,
    "https://localhost:8000": 200,
    "HTTP://LOCALHOST:8000": 200,
    "http://localhost": 403,
    "http://localhost:3000": 403,
    "http://evil.example": 403,
    "http://localhost:8000.evil.example": 403,
    "http://evil.example@localhost:8000": 403,
    "null": 403,
    "": 403,
    "http://[": 403,
    "file://localhost:8000": 403,
}


async def test_a_page_of_another_origin_is_refused(subtests: pytest.Subtests) -> None:
    service = MemoryService(instant=True)
    async with client_of(service) as client:
        for origin, status in ORIGINS.items():
            with subtests.test(origin):
                before = len(service.runs)
                headers = {"Host": "localhost:8000", "Origin": origin}
                answer = await client.post("/code", json=CODE, headers=headers)
                assert answer.status_code == status
                assert len(service.runs) - before == (status == 200)
                preflight = await client.request("OPTIONS", "/code", headers=headers)
                assert preflight.status_code == (204 if status == 200 else 403)
                assert "Access-Control-Allow-Origin" not in answer.headers


async def test_a_default_port_may_be_left_out() -> None:
    async with client_of(MemoryService()) as client:
        headers = {"Host": "localhost", "Origin": "https://localhost:443"}
        assert (await client.get("/health", headers=headers)).status_code == 200


NOT_JSON = [
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/jsonx",
    "application/merge-patch+json",
    "",
    None,
]


async def test_a_body_is_json(subtests: pytest.Subtests) -> None:
    service = MemoryService()
    run_id = service.add()
    async with client_of(service) as client:
        for content_type in NOT_JSON:
            headers = {} if content_type is None else {"Content-Type": content_type}
            for path in ("/code", f"/runs/{run_id}/cancel", "/nothing"):
                with subtests.test(str(content_type), path=path):
                    answer = await client.post(path, content=b'{"a": 1}', headers=headers)
                    assert answer.status_code == 415
                    assert answer.json()["code"] == "unsupported_media_type"


async def test_json_may_name_its_charset() -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8", "Prefer": "respond-async"}
    async with client_of(MemoryService()) as client:
        body = b'{"repoUrl": "https://github.com/o/r", "prompt": "\xc3\xa4"}'
        assert (await client.post("/code", content=body, headers=headers)).status_code == 202


async def test_an_empty_body_needs_no_type() -> None:
    service = MemoryService()
    run_id = service.add()
    async with client_of(service) as client:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await client.post(f"/runs/{run_id}/cancel", headers=headers)
        assert answer.status_code == 202


async def test_a_large_body_is_refused() -> None:
    big = b'{"repoUrl": "' + b"x" * 1024 * 1024 + b'"}'
    headers = {"Content-Type": "application/json"}

    async def chunks() -> object:
        for start in range(0, len(big), 65_536):
            yield big[start : start + 65_536]

    async with client_of(MemoryService()) as client:
        for content in (big, chunks()):
            answer = await client.post("/code", content=content, headers=headers)  # type: ignore[arg-type]
            assert answer.status_code == 413
            assert answer.json()["code"] == "body_too_large"


async def test_who_sends_all_of_a_large_body_first_gets_the_answer_too() -> None:
    """A connection that is closed with bytes unread is reset, and the answer with it."""
    async with serving(make_app(MemoryService().open)) as address:
        host, port = address.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        size = 8 * 1024 * 1024
        head = f"POST /code HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n"
        writer.write(head.encode())
        for _ in range(size // 65_536):
            writer.write(bytes(65_536))
            await writer.drain()
        assert (await reader.readline()).split()[1] == b"413"
        writer.close()


async def test_an_odd_length_is_refused() -> None:
    async with serving(make_app(MemoryService().open)) as address:
        for length in ("-1", "1e3", "99999999999999999999", "x"):
            head = f"POST /code HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
            answer = await raw(address, head.encode(), line=True)
            assert answer.split()[1] in (b"400", b"413"), length


NO_REQUESTS = [
    b"",
    b"null",
    b"[]",
    b'"x"',
    b"{",
    b"\xff\xfe",
    b'{"repoUrl": "\xff"}',
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b"1" * 10_000,
    b'{"repoUrl": 1e999}',
    b'{"maxCostUsd": NaN}',
    b'{"prompt": "\\ud800", "repoUrl": "https://github.com/o/r"}',
]


async def test_a_body_that_is_no_request_is_refused(subtests: pytest.Subtests) -> None:
    service = MemoryService(instant=True)
    headers = {"Content-Type": "application/json"}
    async with client_of(service) as client:
        for body in NO_REQUESTS:
            with subtests.test(str(body[:40])):
                answer = await client.post("/code", content=body, headers=headers)
                assert answer.status_code in (400, 422)
                assert answer.json()["code"] == "invalid_request"
                assert not service.runs


async def test_a_body_that_never_arrives_is_given_up() -> None:
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("the app must not be called")

    async def receive() -> Message:
        await asyncio.sleep(60)
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/code", "headers": []}
    await BodyGuard(app, timeout_s=0.01)(scope, receive, send)
    assert sent[0]["status"] == 408


async def test_a_caller_that_leaves_early_starts_nothing() -> None:
    service = MemoryService()
    async with serving(make_app(service.open)) as address:
        host, _, port = address.removeprefix("http://").partition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        whole = b'{"repoUrl": "https://github.com/o/r", "prompt": "x"}'
        head = f"POST /code HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(whole) + 1}\r\n"
        writer.write(head.encode() + b"Content-Type: application/json\r\n\r\n" + whole)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        await asyncio.sleep(0.05)
    assert not service.runs


async def test_headers_are_limited() -> None:
    async with serving(make_app(MemoryService().open)) as address:
        head = b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * MAX_HEADER_BYTES
        assert (await raw(address, head)).split()[1] in (b"400", b"431")


async def test_a_doubled_slash_is_no_way_in() -> None:
    async with serving(make_app(MemoryService().open, auth=Auth(KEYS))) as address:
        for path in (b"//health", b"/health/../runs", b"/assets/../runs", b"/assets/%2e%2e/runs"):
            request = b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            assert (await raw(address, request)).split()[1] in (b"401", b"404"), path


async def test_assets_stay_in_their_folder() -> None:
    async with serving(make_app(MemoryService().open)) as address:
        for path in ("../app.py", "..%2fapp.py", "%2e%2e/settings.py", "/etc/passwd", "", "%00"):
            head = f"GET /assets/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            assert (await raw(address, head.encode())).split()[1] == b"404", path


async def test_every_answer_carries_security_headers() -> None:
    service = MemoryService(instant=True)
    async with client_of(service) as client:
        answers = [
            await client.get("/health"),
            await client.get("/docs"),
            await client.get("/assets/docs.js"),
            await client.get("/nothing"),
            await client.post("/code", json=CODE),
            await client.get("/health", headers={"Host": "evil.example"}),
        ]
    for answer in answers:
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "Server" not in answer.headers
    cached = [answer.headers["Cache-Control"] for answer in answers]
    assert cached == ["no-store", "no-store", "no-cache", "no-store", "no-store", "no-store"]


async def test_forwarded_headers_are_not_believed() -> None:
    async with client_of(MemoryService()) as client:
        headers = {
            "Host": "evil.example",
            "X-Forwarded-Host": "localhost",
            "Forwarded": "host=localhost",
        }
        assert (await client.get("/health", headers=headers)).status_code == 400


async def test_the_access_log_holds_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    key = KEYS[0][1]
    async with client_of(MemoryService(instant=True), auth=Auth(KEYS), key=key) as client:
        await client.get("/runs?repo=marked-query", headers={"Cookie": "marked-cookie"})
        await client.post("/code", json=CODE | {"prompt": "marked-prompt"})
        await client.get("/nothing%0a%1b[31mforged")
    lines = [record.getMessage() for record in caplog.records if record.name == "api.access"]
    assert [line.split(" ")[:3] for line in lines] == [
        ["GET", "/runs", "200"],
        ["POST", "/code", "200"],
        ["GET", "/nothing%0A%1B%5B31mforged", "404"],
    ]
    assert lines[0].endswith("ann")
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("api")]
    assert not [word for word in (key, "marked") for line in ours if word in line]


async def test_a_websocket_finds_nothing() -> None:
    async with client_of(MemoryService()) as client:
        headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "x"}
        answer = await client.get("/runs", headers=headers)
        assert answer.status_code in (200, 404)


async def test_an_error_after_the_answer_began_ends_the_connection() -> None:
    service = MemoryService()
    run_id = service.add()
    service.emit(run_id, "run.queued", position=0)
    seen: list[str] = []
    async with (
        client_of(service) as client,
        client.stream("GET", f"/runs/{run_id}/events") as stream,
    ):
        lines = stream.aiter_lines()
        assert await anext(lines) == "id: 1"
        service.fault = ValueError("secret inside")
        service.emit(run_id, "role.text", role="coder", text="x")
        with pytest.raises(httpx.RemoteProtocolError):
            seen.extend([line async for line in lines])
    assert "secret" not in "".join(seen)
