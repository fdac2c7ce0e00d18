"""Runs that call at once: each gets its own answer, and none waits for another's."""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from pydantic import SecretStr

from forge.github.client import GitHub
from graph import RetryPolicy
from graph.events import Event, Retry
from tests.standins.github import TOKEN

THREADS = 8
_ASKED = re.compile(rb"GET /api/v3/repos/(\S+) HTTP")
_LIMITED = (
    b"HTTP/1.1 403 Forbidden\r\nRetry-After: 3000\r\nContent-Type: application/json\r\n"
    b"Content-Length: 2\r\n\r\n{}"
)


@dataclass
class Api:
    """Answers for each repository with its own name; one that is `limited` is made to wait."""

    limited: set[str] = field(default_factory=set)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        while head := await _read_head(reader):
            found = _ASKED.match(head)
            assert found
            name = found[1].decode()
            writer.write(_LIMITED if name in self.limited else _answer(name))

    @asynccontextmanager
    async def open(self) -> AsyncIterator[GitHub]:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        github = GitHub(
            api_url=f"http://127.0.0.1:{port}/api/v3",
            token=SecretStr(TOKEN),
            retry_policy=RetryPolicy(first_s=0.01, total_s=5000),
        )
        try:
            yield github
        finally:
            await github.close()
            for writer in self.writers:
                writer.close()
            server.close()
            await server.wait_closed()


async def _read_head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


def _answer(name: str) -> bytes:
    number = int(name.rpartition("-")[2])
    facts = {"id": number, "full_name": name, "default_branch": "main"}
    rights = {"permissions": {"push": True}}
    body = json.dumps(facts | {"archived": False, "private": False} | rights).encode()
    head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
    return f"{head}{len(body)}\r\n\r\n".encode() + body


@pytest.fixture
def frequent_switches() -> Iterator[None]:
    """Threads take turns so often that whatever they share shows."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


async def ask(github: GitHub, thread: int, times: int) -> list[tuple[str, int]]:
    asked = [f"octo/repository-{thread * 1000 + number}" for number in range(times)]
    facts = [await github.repository(name) for name in asked]
    assert [one.full_name for one in facts] == asked
    return [(one.full_name, one.number) for one in facts]


@pytest.mark.usefixtures("frequent_switches")
async def test_everybody_gets_the_answer_to_what_was_asked() -> None:
    async with Api().open() as github:
        answers = await asyncio.gather(*(ask(github, thread, 40) for thread in range(THREADS)))
    assert all(name.endswith(f"-{number}") for told in answers for name, number in told)


@pytest.mark.usefixtures("frequent_switches")
async def test_one_that_github_makes_wait_holds_up_no_other() -> None:
    api, waiting, events = Api(limited={"octo/busy-7"}), asyncio.Event(), list[Event]()

    def emit(event: Event) -> None:
        events.append(event)
        waiting.set()

    async with api.open() as github:
        limited = asyncio.create_task(github.repository("octo/busy-7", emit))
        await waiting.wait()
        await asyncio.gather(*(ask(github, thread, 10) for thread in range(THREADS)))
        assert not limited.done()
        limited.cancel()
        await asyncio.gather(limited, return_exceptions=True)
    (told,) = events
    assert isinstance(told, Retry)
    assert told.wait_ms == 3_000_000
