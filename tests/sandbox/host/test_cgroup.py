"""Control groups: found, made, joined, read, removed; those of dead processes cleared."""

import asyncio
import os
from pathlib import Path

import pytest

from sandbox.core.protocol import Limits
from sandbox.host import cgroup
from sandbox.host.cgroup import HOME, Groups, clear, find
from sandbox.host.orphans import process_name
from tests.support.sandbox.local_tree import make_backend, open_tree

LIMITS = Limits(memory_mb=64, pids=10, cpus=1.5)


def own_parents() -> tuple[Path, ...]:
    """Where groups can be made here."""
    groups = find(LIMITS)
    if groups is None:
        pytest.skip("no control group can be made here")
    return groups._parents


def ours(parents: tuple[Path, ...]) -> list[str]:
    name = process_name(os.getpid())
    return [
        path.name for parent in parents for path in parent.iterdir() if path.name.startswith(name)
    ]


@pytest.mark.sandbox
async def test_a_group_lives_as_long_as_its_command(data_dir: Path) -> None:
    parents = own_parents()
    sandbox = open_tree(make_backend(data_dir), data_dir / "tree")
    running = asyncio.create_task(sandbox.run("sleep 0.5"))
    await asyncio.sleep(0.3)
    assert len(ours(parents)) == len(parents)
    await running
    assert ours(parents) == []


async def test_a_process_is_put_in_and_its_limits_are_set() -> None:
    parents = own_parents()
    process = await asyncio.create_subprocess_exec("sleep", "20")
    group = Groups(parents, LIMITS).new()
    group.join(process.pid)
    paths = Path(f"/proc/{process.pid}/cgroup").read_text()
    assert HOME in paths
    values = [
        (folder / name).read_text().strip()
        for folder in group._folders
        for name in ("memory.limit_in_bytes", "memory.max", "pids.max", "cpu.cfs_quota_us")
        if (folder / name).exists()
    ]
    assert str(64 << 20) in values
    assert "10" in values
    assert group.end() == cgroup.Usage(memory_kills=0, pids_refusals=0)
    assert await process.wait() == -9
    assert not any(folder.exists() for folder in group._folders)


async def test_a_process_that_is_gone_cannot_be_put_in() -> None:
    parents = own_parents()
    process = await asyncio.create_subprocess_exec("true")
    await process.wait()
    group = Groups(parents, LIMITS).new()
    with pytest.raises(OSError, match="No such process"):
        group.join(process.pid)
    group.end()
    assert ours(parents) == []


async def test_what_a_dead_process_of_ours_left_is_cleared() -> None:
    parents = own_parents()
    dead = await asyncio.create_subprocess_exec("sleep", "20")
    name = process_name(dead.pid)
    dead.kill()
    await dead.wait()
    orphan = await asyncio.create_subprocess_exec("sleep", "20")
    folders = [parent / f"{name}.1" for parent in parents]
    for folder in folders:
        folder.mkdir()
        (folder / "cgroup.procs").write_text(str(orphan.pid))
    clear(parents)
    assert await orphan.wait() == -9
    clear(parents)
    assert not any(folder.exists() for folder in folders)


async def test_groups_of_the_living_and_of_others_stay() -> None:
    parents = own_parents()
    living = await asyncio.create_subprocess_exec("sleep", "20")
    names = [f"{process_name(living.pid)}.1", "1-999999-5.1", "somebody", "x-y.z"]
    folders = [parent / name for parent in parents for name in names]
    for folder in folders:
        folder.mkdir()
    try:
        clear(parents)
        assert all(folder.exists() for folder in folders)
    finally:
        for folder in folders:
            folder.rmdir()
        living.kill()
        await living.wait()


# --- version 2, on a folder that stands in for the kernel's


def version_2(mount: Path, **handed_on: str) -> Path:
    """A hierarchy of version 2; `handed_on` by folder name: its subtree_control."""
    (mount / "cgroup.controllers").write_text("cpu memory pids")
    own = mount / "system.slice" / "agent.service"
    own.mkdir(parents=True)
    names = {"root": mount, "slice": own.parent, "service": own}
    for name, folder in names.items():
        (folder / "cgroup.subtree_control").write_text(handed_on.get(name, ""))
    (mount / "own").write_text("0::/system.slice/agent.service\n")
    return mount / "own"


def test_the_nearest_ancestor_that_hands_controllers_on_is_taken(tmp_path: Path) -> None:
    own = version_2(tmp_path, root="cpu memory pids", slice="memory pids io")
    groups = find(LIMITS, tmp_path, own)
    assert groups
    assert groups._parents == (tmp_path / "system.slice" / HOME,)
    handed_on = groups._parents[0] / "cgroup.subtree_control"
    assert handed_on.read_text() == "+memory +pids"


@pytest.mark.parametrize("handed_on", [{}, {"slice": "memory"}, {"slice": "cpu io pids"}])
def test_without_memory_and_pids_there_is_none(tmp_path: Path, handed_on: dict[str, str]) -> None:
    assert find(LIMITS, tmp_path, version_2(tmp_path, **handed_on)) is None


def test_version_2_limits_and_counts(tmp_path: Path) -> None:
    groups = find(LIMITS, tmp_path, version_2(tmp_path, service="cpu memory pids"))
    assert groups
    group = groups.new()
    folder = group._folders[0]
    folder.mkdir()
    known = ("memory.max", "memory.swap.max", "memory.oom.group", "pids.max", "cpu.max")
    for name in known:
        (folder / name).touch()
    cgroup._limit(folder, LIMITS)
    assert [(folder / name).read_text() for name in known] == [
        *(str(64 << 20), "0", "1", "10"),
        "150000 100000",
    ]
    (folder / "memory.events").write_text("low 0\nmax 12\noom 1\noom_kill 3\n")
    (folder / "pids.events").write_text("max 7\n")
    assert group._usage() == cgroup.Usage(memory_kills=3, pids_refusals=7)


def test_a_group_that_limits_nothing_lets_nothing_in(tmp_path: Path) -> None:
    groups = find(LIMITS, tmp_path, version_2(tmp_path, service="cpu memory pids"))
    assert groups
    with pytest.raises(OSError, match="can be limited"):
        groups.new().join(os.getpid())


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere")
def test_folders_that_cannot_be_written_are_none(tmp_path: Path) -> None:
    own = version_2(tmp_path, root="cpu memory pids")
    tmp_path.chmod(0o500)
    assert find(LIMITS, tmp_path, own) is None


def test_without_a_hierarchy_there_is_none(tmp_path: Path) -> None:
    assert find(LIMITS, tmp_path) is None
    assert find(LIMITS, tmp_path / "nowhere") is None


def test_in_a_container_the_mount_is_its_own_group(tmp_path: Path) -> None:
    """Version 1: /proc names the host's path, the mount shows the container's part alone."""
    for name in ("memory", "pids", "cpu"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cgroup.procs").touch()
    (tmp_path / "memory" / "inner").mkdir()
    (tmp_path / "memory" / "inner" / "cgroup.procs").touch()
    own = tmp_path / "own"
    own.write_text("3:memory:/inner\n2:pids:/docker/abc\n1:cpu,cpuacct:/docker/abc\n0::/x\n")
    groups = find(LIMITS, tmp_path, own)
    assert groups
    assert groups._parents == (
        tmp_path / "memory" / "inner" / HOME,
        tmp_path / "pids" / HOME,
        tmp_path / "cpu" / HOME,
    )


def test_pids_alone_are_not_enough(tmp_path: Path) -> None:
    (tmp_path / "pids").mkdir()
    (tmp_path / "pids" / "cgroup.procs").touch()
    assert find(LIMITS, tmp_path) is None
