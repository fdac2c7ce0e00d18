"""A GitHub that takes a call and says nothing, or too little too slowly."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from forge.github.client import GitHub
from graph import RetryPolicy
from graph.errors import ForgeUnavailable
from graph.events import Event, Retry
from tests.standins.github import TOKEN

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n{"


@asynccontextmanager
async def slow(begins: bytes) -> AsyncIterator[tuple[GitHub, list[Event]]]:
    """Answers every call with its beginning and no more."""
    asked: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(writer)
        writer.write(begins)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    github = GitHub(
        api_url=f"http://127.0.0.1:{port}/api/v3",
        token=SecretStr(TOKEN),
        retry_policy=RetryPolicy(attempts=2, first_s=0.01),
        timeout_s=1,
    )
    try:
        yield github, []
    finally:
        await github.close()
        for writer in asked:
            writer.close()
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("begins", [b"", _HEAD], ids=["silent", "half an answer"])
async def test_a_call_that_gets_no_answer_in_time_is_tried_again_and_told(begins: bytes) -> None:
    async with slow(begins) as (github, events):
        with pytest.raises(ForgeUnavailable) as raised:
            await asyncio.wait_for(github.repository("o/r", events.append), 60)
    assert raised.value.hint
    assert [event.attempt for event in events if isinstance(event, Retry)] == [2]


async def test_the_probe_tells_that_nobody_answers() -> None:
    async with slow(b"") as (github, _):
        with pytest.raises(ForgeUnavailable, match="no whole answer") as raised:
            await asyncio.wait_for(github.probe(), 60)
    assert "GITHUB_API_URL" in raised.value.hint


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("REQUESTS_CA_BUNDLE", "/there/is/no/such.pem"),
        ("ALL_PROXY", "socks5://127.0.0.1:9"),
        ("HTTPS_PROXY", "http://proxy:port"),
        ("HTTPS_PROXY", "http://127.0.0.1:9"),
    ],
)
async def test_a_variable_that_keeps_a_call_from_being_sent_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    monkeypatch.setenv("NO_PROXY", "")
    github = GitHub(api_url="https://127.0.0.1:9/api/v3", token=SecretStr(TOKEN))
    with pytest.raises(ForgeUnavailable) as raised:
        await asyncio.wait_for(github.repository("o/r"), 60)
    assert variable in raised.value.message
    assert TOKEN not in f"{raised.value.message} {raised.value.hint}"
