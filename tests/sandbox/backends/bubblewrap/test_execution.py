"""Commands that are cancelled, killed or abandoned: nothing of them stays, inside or here."""

import asyncio
import contextlib
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from graph.errors import SandboxLost, SandboxUnavailable
from sandbox.backends.base.command import Command
from sandbox.backends.bubblewrap.execution import Execution, JoinCgroup, Spawned, start
from sandbox.backends.bubblewrap.sandbox import BubblewrapSandbox
from sandbox.core.output import BothEnds
from sandbox.core.protocol import Limits
from sandbox.host.resource_usage import family
from sandbox.host.resource_watch import watched
from tests.support.sandbox.local_tree import make_backend, open_tree

pytestmark = pytest.mark.sandbox

ROOT = Path(__file__).parents[4]
SERVER = """
import asyncio, sys
from pathlib import Path
from tests.support.sandbox.local_tree import make_backend, open_tree

async def main():
    data = Path(sys.argv[1])
    sandbox = open_tree(make_backend(data), data / "tree")
    running = asyncio.create_task(sandbox.run("while sleep 0.05; do date +%N > alive; done"))
    while not (data / "tree/workspace/alive").exists():
        await asyncio.sleep(0.02)
    print("ready", flush=True)
    await running

asyncio.run(main())
"""


BEFORE: set[int] = set()


@pytest.fixture(autouse=True, scope="module")
def what_other_files_started() -> None:
    """Processes that serve other tests, such as one that containers are forked from, stay."""
    BEFORE.update(family(os.getpid()))


def sandboxed() -> list[int]:
    """The processes that these tests started."""
    return [pid for pid in family(os.getpid()) if pid not in BEFORE]


def descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - nobody here is told of it
            await asyncio.sleep(0.01)


async def test_nothing_stays_open_here(sandbox: BubblewrapSandbox) -> None:
    await sandbox.run("false")  # what failed is waited for, with all that it leaves
    before = descriptors()
    for command in ("echo x", "exit 3", "head -c 1M /dev/zero", "sleep 15"):
        await sandbox.run(command, timeout_s=0.2, stdin=b"fed")
    for _ in range(5):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(sandbox.run("sleep 15"), 0.02)
    await until(lambda: descriptors() == before)
    assert sandboxed() == []


@pytest.mark.parametrize("delay", [0, 0.001, 0.003, 0.006, 0.01, 0.02, 0.1])
async def test_a_cancelled_command_is_gone_when_cancelling_returns(
    data_dir: Path, delay: float, *, grouped: bool
) -> None:
    sandbox = open_tree(make_backend(data_dir, grouped=grouped), data_dir / "tree")
    running = asyncio.create_task(sandbox.run("trap '' TERM; setsid sleep 15 & sleep 15"))
    await asyncio.sleep(delay)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert sandboxed() == []


async def test_cancelling_again_does_not_hurry_it(sandbox: BubblewrapSandbox) -> None:
    running = asyncio.create_task(sandbox.run("sleep 15"))
    await asyncio.sleep(0.1)
    for _ in range(4):
        running.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await running
    assert sandboxed() == []


async def test_the_event_loop_goes_on_meanwhile(sandbox: BubblewrapSandbox) -> None:
    await sandbox.run("true")
    running = asyncio.create_task(sandbox.run("head -c 3M /dev/zero; sleep 0.5"))
    turns = 0
    while not running.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert (await running).exit_code == 0
    assert turns > 20


async def test_a_sandbox_killed_from_outside_is_lost(sandbox: BubblewrapSandbox) -> None:
    running = asyncio.create_task(sandbox.run("sleep 15"))
    await until(lambda: len(sandboxed()) >= 3)
    os.kill(sandboxed()[0], signal.SIGKILL)
    with pytest.raises(SandboxLost, match="killed from outside"):
        await running
    assert sandboxed() == []


async def test_a_sandbox_whose_first_process_is_killed_has_failed(
    sandbox: BubblewrapSandbox, data_dir: Path
) -> None:
    running = asyncio.create_task(sandbox.run("touch began; sleep 15"))
    await until((data_dir / "tree" / "workspace" / "began").exists)
    os.kill(sandboxed()[1], signal.SIGKILL)
    assert (await running).exit_code == 137
    assert sandboxed() == []


def test_a_killed_service_leaves_nothing_running(data_dir: Path) -> None:
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(data_dir)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        stdout=subprocess.PIPE,
        text=True,
    )
    with server:
        assert server.stdout
        assert server.stdout.readline() == "ready\n"
        left = list(family(server.pid))[1:]
        server.kill()
    assert len(left) >= 3
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() for pid in left):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    alive = data_dir / "tree" / "workspace" / "alive"
    written = alive.stat().st_mtime_ns
    time.sleep(0.2)
    assert alive.stat().st_mtime_ns == written


def on_uvloop(body: Callable[[], Awaitable[None]]) -> None:
    """As uvicorn runs where uvloop is installed."""
    uvloop = pytest.importorskip("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:

        async def main() -> None:
            await body()

        runner.run(main())


def test_it_works_on_uvloop_too(data_dir: Path) -> None:
    async def body() -> None:
        sandbox = open_tree(make_backend(data_dir), data_dir / "tree")
        results = await asyncio.gather(*(sandbox.run(f"cat; exit {n}", stdin=b"x") for n in "123"))
        assert [(result.exit_code, result.text) for result in results] == [
            (1, "x"),
            (2, "x"),
            (3, "x"),
        ]
        assert (await sandbox.run("yes")).limit == "output"
        assert (await sandbox.run("sleep 15", timeout_s=0.2)).limit == "time"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(sandbox.run("sleep 15"), 0.05)
        assert sandboxed() == []

    on_uvloop(body)


async def test_a_command_whose_limits_cannot_be_set_does_not_run(data_dir: Path) -> None:
    backend = make_backend(data_dir)
    sandbox = open_tree(backend, data_dir / "tree")
    if sandbox._groups is None:
        pytest.skip("no control group can be made here")
    sandbox._groups.homes = (data_dir / "nowhere",)
    with pytest.raises(SandboxLost, match="limits could not be set"):
        await sandbox.run("touch ran")
    assert not (data_dir / "tree" / "workspace" / "ran").exists()


async def test_who_is_cancelled_while_a_start_fails_is_cancelled() -> None:
    """And not told that no sandbox is there, which would be tried again."""
    asked, released = threading.Event(), threading.Event()

    def spawn() -> Spawned:
        asked.set()
        released.wait(60)
        raise SandboxUnavailable("bubblewrap cannot be started")

    starting = asyncio.create_task(start(spawn, lambda _: pytest.fail("nothing was started")))
    await until(asked.is_set)
    starting.cancel()
    await asyncio.sleep(0)
    released.set()
    with pytest.raises(asyncio.CancelledError):
        await starting


async def started(sandbox: BubblewrapSandbox, *program: str, join: JoinCgroup) -> Execution:
    """A command let in by `join`, which no limit watches."""
    command = Command(program=program, seconds=99)
    spawning = partial(sandbox._spawn, command)
    return await start(spawning, lambda spawned: Execution(spawned, BothEnds(99), 99, join))


async def test_a_gate_that_closes_unopened_lets_nothing_run(
    sandbox: BubblewrapSandbox, data_dir: Path
) -> None:
    asked, released = threading.Event(), threading.Event()

    def late(_: int) -> None:
        asked.set()
        released.wait(60)

    execution = await started(sandbox, "/bin/bash", "-c", "touch ran", join=late)
    await until(asked.is_set)
    closed = os.open("/dev/null", os.O_WRONLY)
    os.dup2(closed, execution._spawned.barrier)  # as when this process dies
    os.close(closed)
    await until(lambda: execution.exit_code is not None)
    released.set()
    await execution.wait()
    assert execution.exit_code == 125
    assert not (data_dir / "tree" / "workspace" / "ran").exists()


async def test_a_tree_removed_under_a_command_is_lost(
    sandbox: BubblewrapSandbox, data_dir: Path
) -> None:
    running = asyncio.create_task(sandbox.run("sleep 15"))
    await until(lambda: len(sandboxed()) >= 3)
    (data_dir / "tree").rename(data_dir / "away")
    with pytest.raises(SandboxLost, match="tree of a command is gone"):
        await running
    assert sandboxed() == []


async def test_a_command_that_cannot_be_watched_is_stopped(sandbox: BubblewrapSandbox) -> None:
    async def broken() -> None:
        raise OSError("the disk is gone")

    execution = await started(sandbox, "/bin/sleep", "15", join=lambda _: None)
    with pytest.raises(SandboxLost, match="the disk is gone"), watched(execution, [broken()]):
        await execution.wait()
    assert sandboxed() == []


async def test_without_descriptors_there_is_no_command_and_no_leak(
    sandbox: BubblewrapSandbox,
) -> None:
    await sandbox.run("false")
    before = descriptors()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for free in range(1, 16):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, before)) + free, hard))
        try:
            with contextlib.suppress(SandboxUnavailable):
                await sandbox.run("true")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        await until(lambda: descriptors() == before)
    assert sandboxed() == []
    assert (await sandbox.run("true")).exit_code == 0


async def test_too_large_a_limit_is_lowered_to_what_may_be_had(data_dir: Path) -> None:
    backend = make_backend(data_dir, Limits(disk_mb=1 << 40))
    assert (await open_tree(backend, data_dir / "tree").run("ulimit -f")).exit_code == 0


async def test_an_execution_says_who_leads_it(sandbox: BubblewrapSandbox) -> None:
    execution = await started(sandbox, "/bin/true", join=lambda _: None)
    assert isinstance(execution, Execution)
    assert execution.pid in sandboxed()
    await execution.wait()
    assert (execution.exit_code, execution.limit) == (0, None)


async def test_nothing_blocks_the_event_loop(data_dir: Path, *, grouped: bool) -> None:
    """By the rules of LangGraph's own server, which ends what breaks them."""
    blockbuster = pytest.importorskip("blockbuster")
    backend = make_backend(data_dir, Limits(disk_mb=16), grouped=grouped)
    sandbox = open_tree(backend, data_dir / "tree")
    with blockbuster.blockbuster_ctx() as strict:
        for name in ("os.stat", "os.listdir", "io.BufferedReader.read", "threading.Lock.acquire"):
            if name in strict.functions:
                strict.functions[name].deactivate()
        assert (await sandbox.run("cat", stdin=b"x")).text == "x"
        await sandbox.write("a/b", b"x")
        assert await sandbox.read("a/b") == b"x"
        assert (await sandbox.run("sleep 9", timeout_s=0.2)).limit == "time"
        too_much = "for n in 1 2 3 4 5 6 7 8; do head -c 15M /dev/zero > $n; done"
        assert (await sandbox.run(too_much)).limit == "disk"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(sandbox.run("sleep 9"), 0.05)
        await sandbox.close()
