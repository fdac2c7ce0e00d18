"""How a tree's warm containers are made, lent, kept and removed, on the stand-in.

What commands can do in one is tried on a real daemon, in `test_warm.py`.
"""

import asyncio
import gc
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from graph.errors import SandboxLost, SandboxUnavailable
from sandbox.backends.docker.backend import Docker
from sandbox.backends.docker.sandbox import DockerSandbox
from sandbox.core.protocol import Limits
from tests.standins.docker import calls, containers, let_root_start_as_another
from tests.support.polling import until
from tests.support.sandbox.docker_backend import on_stand_in, opened
from tests.support.sandbox.local_tree import AS_ROOT, make_tree

pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.skipif(not AS_ROOT, reason="only root's containers can have other users"),
]
LIMITS = Limits(timeout_s=20, output_bytes=50_000)


@pytest.fixture
def backend(data_dir: Path) -> Docker:
    made = Docker(on_stand_in(data_dir, LIMITS))
    let_root_start_as_another(data_dir / "programs")
    return made


@pytest.fixture
def programs(data_dir: Path) -> Path:
    """The folder of the stand-in's program."""
    return data_dir / "programs"


@pytest.fixture
async def sandbox(backend: Docker, programs: Path, data_dir: Path) -> AsyncIterator[DockerSandbox]:
    made = opened(backend, data_dir)
    yield made
    await made.close()
    assert containers(programs) == []


def made(programs: Path) -> int:
    return len([words for words in calls(programs) if words[0] == "create"])


async def test_one_is_made_for_all_commands(sandbox: DockerSandbox, programs: Path) -> None:
    for number in range(5):
        result = await sandbox.run(f"cat; exit {number}", stdin=b"given")
        assert (result.text, result.exit_code) == ("given", number)
    assert [words[0] for words in calls(programs)[2:]] == ["create", "start", "inspect"]


async def test_those_at_once_have_one_each_and_leave_them_to_the_next(
    sandbox: DockerSandbox, programs: Path
) -> None:
    meet = "until [ $(ls met-* | wc -l) -ge 4 ]; do sleep 0.05; done"
    await asyncio.gather(*(sandbox.run(f"touch met-{n}; {meet}") for n in range(4)))
    before = made(programs)
    assert before >= 4
    await asyncio.gather(*(sandbox.run("true") for _ in range(4)))
    assert made(programs) == before


async def test_a_short_wait_for_one_that_is_used_makes_none(
    sandbox: DockerSandbox, programs: Path
) -> None:
    await sandbox.run("true")
    warm = sandbox._warm
    assert warm
    container = await warm.take()
    assert container
    waiting = asyncio.create_task(sandbox.run("true"))
    await asyncio.sleep(0)
    warm.give_back(container)
    assert (await waiting).exit_code == 0
    assert made(programs) == 1


@pytest.mark.slow
async def test_where_more_follow_the_next_is_made_ahead(
    sandbox: DockerSandbox, programs: Path
) -> None:
    await sandbox.run("true", more_follow=True)
    await until(lambda: len(containers(programs)) == 2)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["head -c 60000 /dev/zero", "kill -9 -1; sleep 30"])
async def test_after_a_limit_the_next_has_another(
    sandbox: DockerSandbox, programs: Path, command: str
) -> None:
    assert (await sandbox.run(command, keep_bytes=10, timeout_s=1)).limit in ("output", "time")
    assert (await sandbox.run("echo next")).text == "next\n"
    assert made(programs) == 2


@pytest.mark.slow
async def test_who_is_cancelled_leaves_others_alone(sandbox: DockerSandbox) -> None:
    other = asyncio.create_task(sandbox.run("sleep 1; touch other; echo stayed"))
    cancelled = asyncio.create_task(sandbox.run("touch begun; sleep 3; touch late"))
    await until((sandbox._parts[0] / "begun").exists)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    assert (await other).text == "stayed\n"
    await asyncio.sleep(2)
    assert (await sandbox.run("ls late")).exit_code == 2


@pytest.mark.slow
@pytest.mark.parametrize("steps", [0, 1, 2, 4, 8, 16])
async def test_who_is_cancelled_at_any_time_leaves_nothing(
    sandbox: DockerSandbox, steps: int
) -> None:
    """The fixture looks."""
    for _ in range(2):
        running = asyncio.create_task(sandbox.run("sleep 15"))
        for _ in range(steps):
            await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


@pytest.mark.slow
async def test_closing_ends_who_runs_who_waits_and_what_is_made(sandbox: DockerSandbox) -> None:
    running = [asyncio.create_task(sandbox.run("sleep 15")) for _ in range(3)]
    await asyncio.sleep(0.15)
    await sandbox.close()
    for task in running:
        with pytest.raises(SandboxLost, match="closed"):
            await task


@pytest.mark.slow
async def test_one_on_a_folder_that_was_replaced_is_not_used(
    sandbox: DockerSandbox, backend: Docker, data_dir: Path
) -> None:
    await sandbox.run("touch before")
    shutil.move(data_dir / "tree", data_dir / "away")
    make_tree(data_dir / "tree", backend.uid_for_run("tree"))
    assert (await sandbox.run("ls; touch here")).text == ""
    assert (data_dir / "tree" / "workspace" / "here").exists()


@pytest.mark.slow
async def test_they_end_with_the_last_who_has_their_sandbox(
    backend: Docker, programs: Path, data_dir: Path
) -> None:
    sandbox = opened(backend, data_dir)
    await sandbox.run("true")
    del sandbox
    gc.collect()
    await until(lambda: not containers(programs))


async def test_that_none_can_be_made_is_told_and_tried_again(
    sandbox: DockerSandbox, programs: Path
) -> None:
    reason = programs / "broken" / "create"
    reason.write_text("no space left on device")
    with pytest.raises(SandboxUnavailable, match="no space left"):
        await sandbox.run("true")
    reason.unlink()
    assert (await sandbox.run("true")).exit_code == 0
