"""What is started before its command is known: used once, and gone when nobody wants it."""

import asyncio
import gc
import itertools
import os
import signal
from pathlib import Path

import pytest

from graph import Environment
from sandbox.backends.base.backend import Tree
from sandbox.backends.base.command import HELD
from sandbox.backends.base.local_sandbox import AHEAD
from sandbox.backends.base.prestart import Prestart
from sandbox.backends.bubblewrap.argv import received_words
from sandbox.backends.bubblewrap.sandbox import BubblewrapSandbox
from sandbox.backends.bubblewrap.started import Started
from sandbox.core.output import BothEnds
from sandbox.core.prepared_sandbox import PreparedSandbox, prepare_command
from sandbox.core.protocol import Limits
from sandbox.host.resource_usage import family, read_proc
from tests.support.cut_short import cut_at_each_step
from tests.support.polling import until
from tests.support.sandbox.local_tree import make_backend, make_tree, open_tree

pytestmark = pytest.mark.sandbox

SHOW = """
env | sort; ulimit -a; umask; pwd; ls /proc/self/fd; stat -c %F /dev/stdin
grep -E 'Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp|Sig' /proc/self/status
echo "$0 $# $- $BASH_EXECUTION_STRING"; exit 3
"""


def waiting() -> set[int]:
    """Shells that wait for a program to become."""
    return {
        pid
        for pid in family(os.getpid())
        if read_proc(str(pid), "cmdline").startswith(b"/bin/bash\0-c\0mapfile")
    }


async def start_next(sandbox: BubblewrapSandbox) -> set[int]:
    """The shells that wait for the next commands."""
    await sandbox.run("true", more_follow=True)
    await until(lambda: len(waiting()) == AHEAD)
    return waiting()


async def test_the_next_command_is_what_was_started_and_another_follows(
    sandbox: BubblewrapSandbox, data_dir: Path
) -> None:
    workspace = data_dir / "tree" / "workspace"
    pids = await start_next(sandbox)
    assert (await sandbox.run("cat", stdin=b"fed")).text == "fed"
    assert waiting() == pids
    running = asyncio.create_task(sandbox.run("touch begun; until [ -e go ]; do sleep 0.05; done"))
    await until((workspace / "begun").exists)
    assert [b"touch begun" in read_proc(str(pid), "cmdline") for pid in pids].count(True) == 1
    await until(lambda: len(waiting()) == AHEAD)
    assert len(waiting() & pids) == AHEAD - 1
    (workspace / "go").touch()
    assert (await running).exit_code == 0
    await sandbox.close()
    assert waiting() == set()


async def test_a_command_finds_all_as_without(sandbox: BubblewrapSandbox) -> None:
    without = await sandbox.run(SHOW)
    await start_next(sandbox)
    result = await sandbox.run(SHOW)
    assert (result.exit_code, result.text) == (3, without.text)
    await sandbox.close()


async def test_a_prepared_command_finds_all_as_without(sandbox: BubblewrapSandbox) -> None:
    environment = Environment(variables={"SAID": "it's $HOME"}, paths={"": ("/opt/one",)})
    prepared = PreparedSandbox(sandbox, environment)
    without = await prepared.run(SHOW)
    await start_next(sandbox)
    result = await prepared.run(SHOW)
    assert (result.exit_code, result.text) == (3, without.text)
    assert "/opt/one:" in result.text
    await sandbox.close()


async def test_what_waits_becomes_a_prepared_command_without_another_bash(
    sandbox: BubblewrapSandbox,
) -> None:
    prepared = PreparedSandbox(sandbox, Environment())
    python = Environment(paths={"": ("/home/agent/venvs/root/bin",)}, variables={"A": "b 'c\" d"})
    for environment in (Environment(), python):
        line = prepare_command("make", environment, {"UV_OFFLINE": "1"})
        assert received_words(["/bin/bash", "-c", line, "bash"]) == [line]
    await start_next(sandbox)
    assert (await prepared.run("echo $UV_OFFLINE $0 $#")).text == "1 bash 0\n"
    await sandbox.close()


async def test_the_group_of_a_command_is_gone_when_its_sandbox_is_closed(
    sandbox: BubblewrapSandbox,
) -> None:
    if sandbox._groups is None:
        pytest.skip("no control group can be made")
    own = [home / f"{sandbox._groups._prefix}.*" for home in sandbox._groups.homes]
    await start_next(sandbox)
    assert (await sandbox.run("true")).exit_code == 0
    await sandbox.close()
    assert [*itertools.chain(*(path.parent.glob(path.name) for path in own))] == []


async def test_nothing_waits_where_nobody_said_that_more_follow(
    sandbox: BubblewrapSandbox,
) -> None:
    await sandbox.run("true")
    assert not sandbox._ready


async def test_output_is_kept_and_limited_as_the_command_asks(data_dir: Path) -> None:
    backend = make_backend(data_dir, Limits(output_bytes=50_000))
    sandbox = open_tree(backend, data_dir / "tree")
    await start_next(sandbox)
    result = await sandbox.run("head -c 30000 /dev/zero", keep_bytes=10)
    assert (len(result.output), result.dropped) == (10, 29_990)
    assert (await sandbox.run("head -c 60000 /dev/zero", keep_bytes=10)).limit == "output"
    await sandbox.close()


async def test_it_ends_with_the_last_who_has_its_sandbox(data_dir: Path) -> None:
    sandbox = open_tree(make_backend(data_dir), data_dir / "tree")
    await start_next(sandbox)
    del sandbox
    gc.collect()
    await until(lambda: not waiting())


async def test_it_ends_where_no_command_comes(sandbox: BubblewrapSandbox) -> None:
    await sandbox.close()
    ready = Prestart(sandbox, lambda: sandbox._launch(HELD), (), idle_s=0)
    assert await asyncio.wait_for(ready._task, 20) is None
    assert waiting() == set()


async def test_one_that_does_not_come_to_its_start_is_given_up(sandbox: BubblewrapSandbox) -> None:
    async def never() -> Started:
        await asyncio.Event().wait()
        raise AssertionError

    ready = Prestart(sandbox, never, (), start_s=0)
    assert await asyncio.wait_for(ready.take(["true"], BothEnds(1), 1), 20) is None
    assert ready._task.cancelled()


async def test_one_that_was_killed_is_replaced(sandbox: BubblewrapSandbox) -> None:
    for pid in await start_next(sandbox):
        os.kill(pid, signal.SIGKILL)
    await until(lambda: all(ready._task.done() for ready in sandbox._ready))
    assert (await sandbox.run("echo hello")).text == "hello\n"
    await sandbox.close()


async def test_one_on_a_folder_that_was_replaced_is_not_used(data_dir: Path) -> None:
    backend, folder = make_backend(data_dir), data_dir / "tree"
    sandbox = open_tree(backend, folder)
    await start_next(sandbox)
    folder.rename(data_dir / "away")
    make_tree(folder, backend.uid_for_run("tree"))
    assert (await sandbox.run("touch here")).exit_code == 0
    assert (folder / "workspace" / "here").exists()
    await sandbox.close()


@pytest.mark.parametrize("more", [True, False])
async def test_a_command_that_is_cancelled_at_once_leaves_nothing(
    sandbox: BubblewrapSandbox, *, more: bool
) -> None:
    await sandbox.run("true", more_follow=True)
    for _ in range(4):
        running = asyncio.create_task(sandbox.run("sleep 15", more_follow=more))
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    await sandbox.close()
    assert family(os.getpid()).keys() - BEFORE == set()


BEFORE: set[int] = set()


@pytest.fixture(autouse=True, scope="module")
def _what_other_files_started() -> None:
    BEFORE.update(family(os.getpid()))


@pytest.mark.slow
async def test_limits_hold(data_dir: Path, *, grouped: bool) -> None:
    backend = make_backend(data_dir, Limits(memory_mb=128, pids=40, disk_mb=32), grouped=grouped)
    sandbox = open_tree(backend, data_dir / "tree")
    many = "import subprocess; [subprocess.Popen(['sleep', '15']) for _ in range(100)]"
    hog = "python3 -c 'import time; x = b\"x\" * (200 << 20); time.sleep(15)'"
    for command, limit in (
        (hog, "memory"),
        ("sleep 15", "time"),
        ("for n in 1 2 3 4; do head -c 15M /dev/zero > $n; done; sleep 15", "disk"),
        (f'rm -f 1 2 3 4; python3 -c "{many}"', "pids" if grouped else None),
    ):
        await start_next(sandbox)
        seconds = 0.2 if limit == "time" else 20
        result = await sandbox.run(command, timeout_s=seconds)
        assert result.limit == limit, (command, result)
    await sandbox.close()


async def test_who_closes_and_is_cancelled_has_closed_all_and_hears_of_it(data_dir: Path) -> None:
    backend = make_backend(data_dir)
    folder = make_tree(data_dir / "tree", backend.uid_for_run("tree"))

    async def close() -> None:
        sandbox = backend.attach(Tree(folder, None, backend.uid_for_run("tree")))
        try:
            await sandbox.run("true", more_follow=True)
        finally:
            await sandbox.close()

    async for _ in cut_at_each_step(close):
        assert waiting() == set()
