"""Containers that are started before their commands are known."""

import asyncio
import gc
import shutil
from pathlib import Path

import pytest

from sandbox.backends.base.local_sandbox import AHEAD
from sandbox.backends.docker.backend import Docker
from sandbox.backends.docker.sandbox import DockerSandbox
from sandbox.core.protocol import Limits
from tests.standins.docker import calls, containers
from tests.support.polling import until
from tests.support.sandbox.docker_backend import on_stand_in, opened
from tests.support.sandbox.local_tree import make_tree

pytestmark = pytest.mark.sandbox

SHOW = 'env | sort; pwd; stat -c %F /dev/stdin; grep CapEff /proc/self/status; echo "$0 $#"; exit 3'


@pytest.fixture
def backend(data_dir: Path) -> Docker:
    return Docker(on_stand_in(data_dir, Limits(timeout_s=20, output_bytes=50_000)))


@pytest.fixture
def programs(data_dir: Path) -> Path:
    """The folder of the stand-in's program."""
    return data_dir / "programs"


async def start_next(sandbox: DockerSandbox, programs: Path) -> set[str]:
    """The containers that wait for the next commands, once all have come so far."""
    await sandbox.run("true", more_follow=True)
    await until(lambda: len(containers(programs)) == inspected(programs) == AHEAD)
    return set(containers(programs))


def inspected(programs: Path) -> int:
    """How many waiting containers were asked for their first process."""
    asked = [words[-1] for words in calls(programs) if words[0] == "inspect"]
    return len(set(asked) & set(containers(programs)))


async def test_a_command_needs_one_call_more_and_finds_all_as_without(
    backend: Docker, programs: Path, data_dir: Path
) -> None:
    sandbox = opened(backend, data_dir)
    without = await sandbox.run(SHOW)
    names = await start_next(sandbox, programs)
    before = len(calls(programs))
    result = await sandbox.run(SHOW)
    assert (result.exit_code, result.text) == (3, without.text)
    (own, *_) = [words[-1] for words in calls(programs)[before:] if words[0] == "inspect"]
    assert own in names
    assert not [words for words in calls(programs)[before:] if own in words and "create" in words]
    assert (await sandbox.run("cat", stdin=b"fed")).text == "fed"
    assert (await sandbox.run("head -c 60000 /dev/zero", keep_bytes=10)).limit == "output"
    await sandbox.close()
    assert containers(programs) == []
    assert list((data_dir / "state").glob("files-*")) == []


async def test_it_ends_with_the_last_who_has_its_sandbox(
    backend: Docker, programs: Path, data_dir: Path
) -> None:
    sandbox = opened(backend, data_dir)
    await start_next(sandbox, programs)
    del sandbox
    gc.collect()
    await until(lambda: not containers(programs))


async def test_one_on_a_folder_that_was_replaced_is_not_used(
    backend: Docker, programs: Path, data_dir: Path
) -> None:
    sandbox = opened(backend, data_dir)
    await start_next(sandbox, programs)
    shutil.move(data_dir / "tree", data_dir / "away")
    make_tree(data_dir / "tree", backend.uid_for_run("tree"))
    assert (await sandbox.run("touch here")).exit_code == 0
    assert (data_dir / "tree" / "workspace" / "here").exists()
    await sandbox.close()


@pytest.mark.slow
@pytest.mark.parametrize("steps", [0, 1, 3, 8])
async def test_a_command_that_is_cancelled_leaves_nothing(
    backend: Docker, programs: Path, data_dir: Path, steps: int
) -> None:
    sandbox = opened(backend, data_dir)
    await sandbox.run("true", more_follow=True)
    for more in (True, False):
        running = asyncio.create_task(sandbox.run("sleep 15", more_follow=more))
        for _ in range(steps):
            await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    await sandbox.close()
    assert containers(programs) == []


async def test_one_that_does_not_start_is_not_waited_for_by_who_is_cancelled(
    backend: Docker, programs: Path, data_dir: Path
) -> None:
    sandbox = opened(backend, data_dir)
    waiting = await start_next(sandbox, programs)
    hang_at_start(programs)
    for _ in range(AHEAD):
        assert (await sandbox.run("true")).exit_code == 0
    await until(lambda: len(set(containers(programs)) - waiting) == AHEAD)
    running = asyncio.create_task(sandbox.run("true"))
    await asyncio.sleep(0.5)
    running.cancel()
    await asyncio.wait([running], timeout=5)
    assert running.cancelled()
    await sandbox.close()
    assert containers(programs) == []


def hang_at_start(programs: Path) -> None:
    """What is started from now on never says anything."""
    program = programs / "docker"
    program.rename(programs / "answers")
    program.write_text(
        f'#!/bin/sh\n[ "$1" = start ] && exec sleep 60\nexec {programs}/answers "$@"\n'
    )
    program.chmod(0o755)
