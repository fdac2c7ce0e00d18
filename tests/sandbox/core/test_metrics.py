"""Commands are counted as they begin and where they are ended."""

import asyncio
from pathlib import Path

import pytest

from graph.errors import SandboxLost, SandboxUnavailable
from sandbox.backends.bubblewrap.sandbox import BubblewrapSandbox
from sandbox.core.metrics import CommandMetrics, MeteredSandbox
from tests.support.sandbox.local_tree import make_backend, open_tree

pytestmark = pytest.mark.sandbox


@pytest.fixture
def metrics() -> CommandMetrics:
    return CommandMetrics()


@pytest.fixture
def counted(sandbox: BubblewrapSandbox, metrics: CommandMetrics) -> MeteredSandbox:
    return MeteredSandbox(sandbox, metrics)


async def test_commands_that_end_by_themselves(
    counted: MeteredSandbox, metrics: CommandMetrics
) -> None:
    await counted.run("exit 3")
    await counted.write("a.txt", b"text")
    assert await counted.read("a.txt") == b"text"
    assert (metrics.started, metrics.killed) == (3, {})


async def test_what_a_limit_stops(counted: MeteredSandbox, metrics: CommandMetrics) -> None:
    await counted.run("sleep 9", timeout_s=0.1)
    await counted.run("head -c 300M /dev/zero | tail -c 299M")
    assert metrics.killed == {"time": 1, "memory": 1}


async def test_what_is_cancelled_or_closed(
    counted: MeteredSandbox, metrics: CommandMetrics
) -> None:
    stopped, lost = (asyncio.create_task(counted.run("sleep 9")) for _ in range(2))
    await asyncio.sleep(0.2)
    stopped.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopped
    await counted.close()
    with pytest.raises(SandboxLost):
        await lost
    assert (metrics.started, metrics.killed) == (2, {"cancelled": 1, "lost": 1})


async def test_what_cannot_be_started(data_dir: Path, metrics: CommandMetrics) -> None:
    backend = make_backend(data_dir)
    backend.setpriv = backend.bwrap = str(data_dir / "missing")
    counted = MeteredSandbox(open_tree(backend, data_dir / "tree"), metrics)
    with pytest.raises(SandboxUnavailable):
        await counted.run("true")
    assert (metrics.started, metrics.killed) == (0, {"not_started": 1})
