"""A command's time: work and sleep count, waiting for a processor that others have does not.

Its tree: what outgrew the limit is told, however late it is seen.
"""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.core.protocol import LimitHit, Limits
from sandbox.host.resource_usage import TreeSize, family, processor_ns
from sandbox.host.resource_watch import LONGEST, is_outgrown, waited_s, watch_tree
from tests.support.sandbox.local_tree import make_backend, open_tree

PYTHON = "/usr/bin/python3"
SECOND = 10**9

Times = dict[str, tuple[int, int]]


@pytest.mark.parametrize(
    ("after", "took", "cpus", "waited"),
    [
        pytest.param({"1": (SECOND, 0)}, 1.0, 2, 0.0, id="works"),
        pytest.param({"1": (0, 0)}, 1.0, 2, 0.0, id="sleeps"),
        pytest.param({}, 1.0, 2, 0.0, id="is gone"),
        pytest.param({"1": (SECOND // 4, 3 * SECOND // 4)}, 1.0, 2, 0.75, id="waits"),
        pytest.param({"1": (SECOND // 10, SECOND // 10)}, 1.0, 2, 0.1, id="sleeps and waits"),
        pytest.param(
            {str(n): (SECOND // 4, 3 * SECOND // 4) for n in range(8)}, 1.0, 2, 0.0, id="is more"
        ),
        pytest.param(
            {str(n): (SECOND // 8, 7 * SECOND // 8) for n in range(8)},
            1.0,
            2,
            0.5,
            id="is more, waits",
        ),
    ],
)
def test_waiting_is_what_others_took(after: Times, took: float, cpus: float, waited: float) -> None:
    assert waited_s({}, after, took, cpus) == pytest.approx(waited)


@given(
    st.dictionaries(
        st.text("123456", min_size=1, max_size=2),
        st.tuples(*[st.integers(0, 3 * SECOND)] * 4),
        max_size=20,
    ),
    st.floats(0.01, 3),
    st.floats(0.05, 64),
)
def test_it_is_never_more_than_the_time(
    times: dict[str, tuple[int, int, int, int]], took: float, cpus: float
) -> None:
    before = {task: (ran, waited) for task, (ran, waited, _, _) in times.items()}
    after = {
        task: (ran + more, waited + longer) for task, (ran, waited, more, longer) in times.items()
    }
    assert 0 <= waited_s(before, after, took, cpus) <= took


@pytest.fixture
def busy_processor() -> Iterator[int]:
    """The number of one with so many loops that what else is on it has a tenth at most."""
    number = min(os.sched_getaffinity(0))
    words = ["taskset", "--cpu-list", str(number), "/bin/sh", "-c", "while :; do :; done"]
    loops = [subprocess.Popen(words, start_new_session=True) for _ in range(9)]
    yield number
    for loop in loops:
        loop.kill()
        loop.wait()


@pytest.mark.slow
@pytest.mark.sandbox
@pytest.mark.skipif(not Path(PYTHON).exists(), reason=f"needs {PYTHON}")
async def test_a_command_that_others_starve_has_longer(data_dir: Path, busy_processor: int) -> None:
    """Under the poller: groups have their own weight."""
    if not any(waited for _, waited in processor_ns(family(os.getpid())).values()):
        pytest.skip("this kernel does not tell how long processes wait")
    sandbox = open_tree(make_backend(data_dir, Limits(), grouped=False), data_dir / "tree")
    there = f"taskset --cpu-list {busy_processor}"
    work = f"{there} {PYTHON} -S -c 'import time\nwhile time.process_time() < 0.3: pass'"
    result = await sandbox.run(work, timeout_s=1.5)  # at a tenth of a processor it takes 3 s
    assert result.exit_code == 0 or result.duration_ms >= LONGEST * 1500
    assert (await sandbox.run("sleep 60", timeout_s=1)).limit == "time"


class Gone:
    """A command that has ended when it is stopped, so that it takes no limit."""

    limit: LimitHit | None = None

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.asked = asyncio.Event()

    def stop(self, limit: LimitHit | None = None, loss: str = "") -> None:
        self.asked.set()


async def test_a_tree_that_a_watcher_saw_too_late_is_told_at_the_end(tmp_path: Path) -> None:
    size, gone = TreeSize([str(tmp_path)], 1 << 20, size=1), Gone()
    (tmp_path / "large").write_bytes(bytes(4 << 20))
    watching = asyncio.create_task(watch_tree(gone, size))
    await gone.asked.wait()
    watching.cancel()
    await asyncio.wait([watching])
    assert await is_outgrown(gone, size, anyway=True)
    size.allow_what_is()
    assert not await is_outgrown(gone, size, anyway=True)
