"""Commands are counted as they begin and where they are ended."""

import asyncio
from pathlib import Path

import pytest

from graph.errors import SandboxLost, SandboxUnavailable
from sandbox.backends.bubblewrap.sandbox import BubblewrapSandbox
from sandbox.core.metrics import CountedSandbox, Counts
from tests.support.sandbox.local_tree import make_backend, open_tree

pytestmark = pytest.mark.sandbox


@pytest.fixture
def counts() -> Counts:
    return Counts()


@pytest.fixture
def counted(sandbox: BubblewrapSandbox, counts: Counts) -> CountedSandbox:
    return CountedSandbox(sandbox, counts)


async def test_commands_that_end_by_themselves(counted: CountedSandbox, counts: Counts) -> None:
    await counted.run("exit 3")
    await counted.write("a.txt", b"text")
    assert await counted.read("a.txt") == b"text"
    assert (counts.started, counts.killed) == (3, {})


async def test_what_a_limit_stops(counted: CountedSandbox, counts: Counts) -> None:
    await counted.run("sleep 9", timeout_s=0.1)
    await counted.run("head -c 300M /dev/zero | tail -c 299M")
    assert counts.killed == {"time": 1, "memory": 1}


async def test_what_is_cancelled_or_closed(counted: CountedSandbox, counts: Counts) -> None:
    stopped, lost = (asyncio.create_task(counted.run("sleep 9")) for _ in range(2))
    await asyncio.sleep(0.2)
    stopped.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopped
    await counted.close()
    with pytest.raises(SandboxLost):
        await lost
    assert (counts.started, counts.killed) == (2, {"cancelled": 1, "lost": 1})


async def test_what_cannot_be_started(data_dir: Path, counts: Counts) -> None:
    backend = make_backend(data_dir)
    backend.setpriv = backend.bwrap = str(data_dir / "missing")
    counted = CountedSandbox(open_tree(backend, data_dir / "tree"), counts)
    with pytest.raises(SandboxUnavailable):
        await counted.run("true")
    assert (counts.started, counts.killed) == (0, {"not_started": 1})
