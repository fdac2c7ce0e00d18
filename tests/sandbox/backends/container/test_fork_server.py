"""A fork server whose asker is slow, or goes away without a word and leaves its input open."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.backends.container.channel import frame
from sandbox.backends.container.fork_server import ENDED, INPUT, OUTPUT, START
from sandbox.backends.container.wire import SERVER_SOURCE, exec_request, server_words
from sandbox.core.protocol import WORKSPACE
from tests.sandbox.backends.container.held_container import HeldContainer
from tests.sandbox.backends.container.local_container import LIMITS
from tests.support.sandbox.local_tree import AS_ROOT

pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.slow,
    pytest.mark.skipif(not AS_ROOT, reason="needs root: a container has other users"),
]


@pytest.fixture
async def container(data_dir: Path) -> AsyncIterator[HeldContainer]:
    async with HeldContainer.open(data_dir) as held:
        yield held


def started(command: str, number: int = 1, **fields: object) -> bytes:
    """The frame that starts a command, with these fields of its request as they are said here."""
    request = exec_request(["/bin/sh", "-c", command], LIMITS)
    request = replace(request, chown_dirs=(WORKSPACE,))
    return frame(number, START, json.dumps({**json.loads(request.text), **fields}).encode())


UNFED = started("cat", input_bytes=100, answer_within_s=1)


@pytest.mark.parametrize(
    "told",
    [
        SERVER_SOURCE[:1000],
        SERVER_SOURCE,
        SERVER_SOURCE + started("true")[:20],
        SERVER_SOURCE + started("sleep 79") + frame(1, INPUT, bytes(100))[:50],
        SERVER_SOURCE + UNFED,
        SERVER_SOURCE + UNFED + frame(1, INPUT, bytes(50)),
    ],
    ids=["source", "nothing", "start", "frame", "input", "more-input"],
)
async def test_it_ends_wherever_it_was_left(container: HeldContainer, told: bytes) -> None:
    process = await container.start(server_words(1), timeout_s=None)
    await process.write(told)
    assert await process.wait() is not None


async def test_others_are_heard_while_a_long_frame_comes(container: HeldContainer) -> None:
    """Of a slow way only a part of it has come; what another command says is passed on."""
    process = await container.start(server_words(3600), timeout_s=None)
    half = frame(1, INPUT, bytes(1 << 20))[: 1 << 19]
    beside = started("sleep 0.2; echo beside", number=2)
    await process.write(SERVER_SOURCE + beside + started("cat", input_bytes=1 << 20) + half)
    heard = b""
    async with asyncio.timeout(60):
        async for piece in process.stdout():
            heard += piece
            if frame(2, OUTPUT, b"beside\n") in heard and frame(2, ENDED) in heard:
                return
    pytest.fail(f"it ended: {heard!r}")
