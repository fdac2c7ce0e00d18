"""A fork server whose asker goes away without a word, and with its input left open."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.backends.container.channel import frame
from sandbox.backends.container.fork_server import INPUT, START
from sandbox.backends.container.wire import SERVER_SOURCE, exec_request, server_words
from sandbox.core.protocol import WORKSPACE
from tests.sandbox.backends.container.held_container import HeldContainer
from tests.sandbox.backends.container.local_container import LIMITS
from tests.support.sandbox.local_tree import AS_ROOT

pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.skipif(not AS_ROOT, reason="needs root: a container has other users"),
]


@pytest.fixture
async def container(data_dir: Path) -> AsyncIterator[HeldContainer]:
    async with HeldContainer.open(data_dir) as held:
        yield held


def started(command: str, **fields: object) -> bytes:
    """The frame that starts a command, with these fields of its request as they are said here."""
    request = exec_request(["/bin/sh", "-c", command], LIMITS)
    request = replace(request, chown_dirs=(WORKSPACE,))
    return frame(1, START, json.dumps({**json.loads(request.text), **fields}).encode())


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
