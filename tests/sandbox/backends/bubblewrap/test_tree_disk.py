"""Disks of trees: held to their limit by the kernel, seen by nobody else, left by nobody."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from graph.errors import PatchTooLarge, SandboxError
from sandbox.backends.base.backend import BackendOptions
from sandbox.backends.bubblewrap.backend import Bubblewrap
from sandbox.backends.bubblewrap.tree_disk import IMAGE, Disks, find_disks
from sandbox.core.protocol import Limits, Sandbox, TreeSpec
from sandbox.host.resource_usage import tree_bytes
from sandbox.selftest.trial import trial
from sandbox.trees.local_trees import LocalSandboxes, discard_trees
from tests.support.sandbox.local_tree import AS_ROOT, open_tree
from tests.support.sandbox.sample_run import RUN, SampleRun, sample_run
from tests.support.small_disk import on_a_small_disk

pytestmark = pytest.mark.sandbox

LIMIT_MB = 32
LIMITS = Limits(timeout_s=30, disk_mb=LIMIT_MB)
NONE = Disks(Path("/nowhere"), missing="tried without")
ROOT = Path(__file__).parents[4]
FILES_BOMB = f"mkdir e; cd e; seq {LIMIT_MB * 1024} | xargs -P 2 -n 400 touch"
FAST = "for i in $(seq 32); do head -c 8M /dev/zero > f$i || exit; done"
LIVES = """
import asyncio, sys
from pathlib import Path
from sandbox.backends.base.backend import BackendOptions, Tree
from sandbox.backends.bubblewrap.backend import Bubblewrap
from sandbox.backends.bubblewrap.tree_disk import find_disks
from sandbox.core.protocol import Limits, TreeSpec
from sandbox.trees.local_trees import LocalSandboxes
from graph.values import Base

async def main(data, base):
    options = BackendOptions(limits=Limits(timeout_s=30, disk_mb=32), state=data / "state")
    backend = Bubblewrap(options, disks=find_disks(options.state))
    sandboxes = LocalSandboxes(runs=data / "runs", backend=backend)
    tree = await sandboxes.open("run1", TreeSpec("live", Base.model_validate_json(base)))
    assert (await tree.run("echo kept > kept; head -c 4M /dev/zero > large")).exit_code == 0
    print("open", flush=True)
    await tree.run("while :; do echo more >> growing; done")

asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""

HOST_IS_FULL = """
import asyncio, sys
from pathlib import Path
from graph.errors import SandboxLost
from sandbox.backends.base.backend import BackendOptions, Tree
from sandbox.backends.bubblewrap.backend import Bubblewrap
from sandbox.backends.bubblewrap.tree_disk import find_disks
from sandbox.core.protocol import Limits
from tests.support.sandbox.local_tree import open_tree
from tests.support.small_disk import fill

async def main(data):
    options = BackendOptions(limits=Limits(timeout_s=30, disk_mb=32), state=data / "state")
    backend = Bubblewrap(options, disks=find_disks(options.state))
    sandbox = open_tree(backend, data / "tree")
    fill(data / "filler")
    result = await sandbox.run("head -c 20M /dev/urandom > large; stat -c %s large")
    print(result.exit_code, result.text.strip())
    await sandbox.close()
    (data / "filler").unlink()
    try:
        backend.attach(Tree(data / "tree", None, backend.uid_for_run("tree")))
    except SandboxLost as error:
        print(error.message.partition(":")[0])

asyncio.run(main(Path(sys.argv[1])))
"""


def mounted(data: Path) -> list[str]:
    """What of a folder is mounted: as this process sees it, and as the kernel's devices tell."""
    backing = [file.read_text() for file in Path("/sys/block").glob("loop*/loop/backing_file")]
    seen = Path("/proc/self/mounts").read_text().splitlines()
    return [line for line in (*backing, *seen) if str(data) in line]


@pytest.fixture
def disks(data_dir: Path) -> Iterator[Disks]:
    """Disks on this machine; a machine that checks changes must be able to make them."""
    found = find_disks(data_dir / "state")
    if found.missing:
        if os.environ.get("CI") == "true" and AS_ROOT:
            pytest.fail(found.missing)
        pytest.skip(f"no disk of its own can be given to a tree: {found.missing}")
    yield found
    assert mounted(data_dir) == []


def backend_on(disks: Disks, data: Path, limits: Limits = LIMITS) -> Bubblewrap:
    return Bubblewrap(BackendOptions(limits=limits, state=data / "state"), disks=disks)


async def said(sandbox: Sandbox, command: str) -> str:
    result = await sandbox.run(command)
    assert (result.exit_code, result.limit) == (0, None), result
    return result.text.strip()


def run_on(disks: Disks, data: Path, limits: Limits = LIMITS) -> SampleRun:
    backend = backend_on(disks, data, limits)
    return sample_run(data, {"hello.txt": "hello\n"}, backend=backend)


@pytest.mark.parametrize("bomb", [FAST, FILES_BOMB])
async def test_the_kernel_takes_no_more_than_the_limit(
    disks: Disks, data_dir: Path, bomb: str
) -> None:
    sandbox = open_tree(backend_on(disks, data_dir), data_dir / "tree")
    result = await sandbox.run(bomb)
    assert (result.exit_code, result.limit) == (None, "disk")
    count = "du -sc --block-size=1 /workspace /home/agent /tmp; find /workspace | wc -l"
    *_, total, _, files = (await said(sandbox, count)).split()
    assert LIMIT_MB << 19 < max(int(total), int(files) * 4096) <= LIMIT_MB << 20
    assert (await said(sandbox, "rm -rf f* e && echo done > it && cat it")) == "done"
    await sandbox.close()


async def test_under_the_watcher_a_fast_writer_is_over_it_before_it_is_seen(data_dir: Path) -> None:
    """The control."""
    sandbox = open_tree(backend_on(NONE, data_dir), data_dir / "tree")
    result = await sandbox.run(FAST)
    assert (result.exit_code, result.limit) == (None, "disk")
    assert tree_bytes(data_dir / "tree") > LIMIT_MB << 20


async def test_what_met_no_limit_is_not_told_to_have(disks: Disks, data_dir: Path) -> None:
    limits = replace(LIMITS, memory_mb=48, disk_mb=160)
    sandbox = open_tree(backend_on(disks, data_dir, limits), data_dir / "tree")
    await said(sandbox, "head -c 140M /dev/zero > more-than-its-memory")
    says = "echo No space left on device; exit 3"
    assert (await sandbox.run(says)).limit == "disk"
    await said(sandbox, "rm more-than-its-memory")
    assert (await sandbox.run(says)).exit_code == 3
    assert (await sandbox.run("exit 3")).exit_code == 3
    assert (await sandbox.run("head -c 200M /dev/zero > all; true")).limit == "disk"
    assert await said(sandbox, "echo the disk was full before") == "the disk was full before"
    assert (await sandbox.run("exit 3")).exit_code == 3
    await sandbox.close()


async def test_a_command_finds_its_parts_and_nothing_that_holds_them(
    disks: Disks, data_dir: Path
) -> None:
    sandbox = open_tree(backend_on(disks, data_dir), data_dir / "tree")
    for part in ("/workspace", "/home/agent", "/tmp"):
        found = await said(sandbox, f"touch {part}/mine && ls -A {part} && stat -c %a {part}")
        assert found == "mine\n700"
    options = "grep ' /workspace ' /proc/self/mountinfo | cut -d ' ' -f 6"
    assert {"nosuid", "nodev"} <= set((await said(sandbox, options)).split(","))
    assert (
        await said(sandbox, f"find / -name {IMAGE} -o -name 'lost+found' 2>/dev/null; true") == ""
    )
    assert not any("tree" in line for line in Path("/proc/self/mounts").read_text().splitlines())
    assert (data_dir / "tree" / IMAGE).stat().st_mode & 0o77 == 0
    await sandbox.close()


async def test_a_tree_is_found_as_it_was_left_and_goes_with_its_run(
    disks: Disks, data_dir: Path
) -> None:
    run = run_on(disks, data_dir)
    first = await run.open()
    second = await run.open()
    await said(first, "echo kept > kept")
    await first.close()
    assert await said(second, "cat kept") == "kept"
    await second.close()
    assert mounted(data_dir) == []
    later = LocalSandboxes(runs=run.runs, backend=backend_on(disks, data_dir))
    tree = await later.open(RUN, TreeSpec("live", run.base))
    assert await said(tree, "cat kept && git status --porcelain") == "kept\n?? kept"
    await discard_trees(run.runs, RUN)  # as another process does, that has it not open
    assert run.trees() == []
    await later.close_run(RUN)


async def test_what_a_killed_service_left_is_let_go_and_goes_on(
    disks: Disks, data_dir: Path
) -> None:
    run = run_on(disks, data_dir)
    words = [sys.executable, "-c", LIVES, str(data_dir), run.base.model_dump_json()]
    service = await asyncio.create_subprocess_exec(
        *words, stdout=subprocess.PIPE, env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    )
    assert service.stdout
    assert await service.stdout.readline() == b"open\n"
    assert len(mounted(data_dir)) == 1
    opening = asyncio.create_task(run.open())
    await asyncio.wait([opening], timeout=0.5)
    assert not opening.done()  # as long as the other lives
    service.kill()
    assert await service.wait() == -signal.SIGKILL
    tree = await opening
    assert await said(tree, "cat kept; stat -c %s large") == "kept\n4194304"
    await run.sandboxes.close_run(RUN)


async def test_a_damaged_disk_and_one_that_this_service_cannot_mount_are_made_anew(
    disks: Disks, data_dir: Path
) -> None:
    run = run_on(disks, data_dir)
    await said(await run.open(), "echo lost > lost")
    await run.sandboxes.close_run(RUN, keep=("live",))
    os.truncate(run.folder.trees / "live" / IMAGE, 1 << 20)
    assert await said(await run.open(), "ls") == "hello.txt"
    await run.sandboxes.close_run(RUN, keep=("live",))
    plain = LocalSandboxes(runs=run.runs, backend=backend_on(NONE, data_dir))
    assert await said(await plain.open(RUN, TreeSpec("live", run.base)), "ls") == "hello.txt"
    assert not (run.folder.trees / "live" / IMAGE).exists()
    await said(await plain.open(RUN, TreeSpec("live", run.base)), "echo watched > watched")
    assert await said(await run.open(), "cat watched") == "watched"
    await run.sandboxes.close_run(RUN)


async def test_a_full_tree_can_still_hand_its_change_over(disks: Disks, data_dir: Path) -> None:
    run = run_on(disks, data_dir)
    tree = await run.open()
    fill = "echo 'f*' > .git/info/exclude; echo more >> hello.txt; head -c 64M /dev/zero > f"
    await said(tree, "echo 'f*' > .gitignore && git add .gitignore")
    for attempt in ("kept", "gone"):
        assert (await tree.run(f"{fill}-{attempt}")).limit == "disk"
        if attempt == "kept":
            assert b"+more" in await run.take(tree)
    with pytest.raises(PatchTooLarge, match="met the disk limit"):
        await run.take(tree)  # the control: what was kept is spent
    await said(tree, "rm f-*")
    await run.sandboxes.close_run(RUN, keep=("live",))
    again = await run.open()
    assert (await again.run(f"{fill}-again")).limit == "disk"
    assert b"+more" in await run.take(again)
    await run.sandboxes.close_run(RUN)


async def test_no_attack_gets_through_on_a_disk_either(disks: Disks, data_dir: Path) -> None:
    assert [result for result in await trial(backend_on(disks, data_dir)) if not result.held] == []


async def test_a_trial_that_is_cancelled_leaves_nothing_mounted(
    disks: Disks, data_dir: Path
) -> None:
    trying = asyncio.create_task(trial(backend_on(disks, data_dir), loop_s=30))
    async with asyncio.timeout(30):
        while not mounted(data_dir):  # noqa: ASYNC110 - nobody here is told of it
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.5)
    trying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trying
    assert mounted(data_dir) == []


async def test_what_the_hosts_disk_did_not_take_is_not_believed(
    disks: Disks, data_dir: Path
) -> None:
    """On a disk of 40 MiB that something else fills."""
    told = await asyncio.to_thread(on_a_small_disk, data_dir / "small", 40 << 10, HOST_IS_FULL)
    assert told.splitlines() == ["0 20971520", "the disk of a tree was damaged"]


async def test_a_base_larger_than_the_limit_is_told_as_ever(disks: Disks, data_dir: Path) -> None:
    limits = replace(LIMITS, disk_mb=8)
    files = {f"large{number}.bin": os.urandom(2 << 20) for number in range(5)}
    run = sample_run(data_dir, files, backend=backend_on(disks, data_dir, limits))
    with pytest.raises(SandboxError, match="could not be made: the disk limit was reached"):
        await run.open()
    assert run.trees() == []


async def test_where_a_disk_does_not_fit_the_watcher_takes_over_and_it_is_said(
    disks: Disks, data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wide = backend_on(disks, data_dir, replace(LIMITS, disk_mb=1 << 30))
    sandbox = open_tree(wide, data_dir / "tree")
    assert await said(sandbox, "echo here > it; cat it") == "here"
    assert "by a watcher" in caplog.text
    assert (data_dir / "tree" / "workspace" / "it").exists()


def test_doctor_says_who_holds_the_limit(disks: Disks, data_dir: Path) -> None:
    assert "disk by the kernel" in backend_on(disks, data_dir).describe().detail
    (data_dir / "tools").mkdir()
    without = find_disks(data_dir / "state", programs=str(data_dir / "tools"))
    told = backend_on(without, data_dir).describe()
    assert told.held
    assert "disk by a watcher: mkfs.ext4 is not installed" in told.detail
