"""Control groups: found, made, joined, read, removed; those of dead processes cleared."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.core.protocol import Limits
from sandbox.host import cgroup
from sandbox.host.cgroup import (
    HOME,
    LEAF,
    Groups,
    _controllers,
    _hand_on,
    _move,
    _processes,
    clear,
    find,
)
from sandbox.host.orphans import process_name
from tests.support.polling import until
from tests.support.sandbox.local_tree import make_backend, open_tree

LIMITS = Limits(memory_mb=64, pids=10, cpus=1.5)


def own_parents() -> tuple[Path, ...]:
    """Where groups can be made here."""
    groups = find()
    if groups is None:
        pytest.skip("no control group can be made here")
    return groups.homes


def ours(parents: tuple[Path, ...]) -> list[str]:
    name = process_name(os.getpid())
    return [
        path.name for parent in parents for path in parent.iterdir() if path.name.startswith(name)
    ]


@pytest.mark.sandbox
async def test_a_group_lives_as_long_as_its_command(data_dir: Path) -> None:
    parents = own_parents()
    sandbox = open_tree(make_backend(data_dir), data_dir / "tree")
    workspace = data_dir / "tree" / "workspace"
    running = asyncio.create_task(sandbox.run("touch begun; until [ -e go ]; do sleep 0.05; done"))
    await until((workspace / "begun").exists)
    assert len(ours(parents)) == len(parents)
    (workspace / "go").touch()
    await running
    await until(lambda: ours(parents) == [])


async def test_a_process_is_put_in_and_its_limits_are_set() -> None:
    parents = own_parents()
    process = await asyncio.create_subprocess_exec("sleep", "20")
    group = Groups(parents).new(LIMITS)
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
    group = Groups(parents).new(LIMITS)
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
    groups = find(tmp_path, own)
    assert groups
    assert groups.homes == (tmp_path / "system.slice" / HOME,)
    handed_on = groups.homes[0] / "cgroup.subtree_control"
    assert handed_on.read_text() == "+memory +pids"


def hold(own: Path, *pids: int, **settings: str) -> Path:
    """The group of a unit that holds these processes and may be given controllers."""
    service = own.parent / "system.slice" / "agent.service"
    for name, text in {
        "cgroup.type": "domain",
        "cgroup.controllers": "cpu io memory pids",
        "cgroup.procs": "".join(f"{pid}\n" for pid in pids),
        **settings,
    }.items():
        (service / name.replace("_", ".", 1)).write_text(text)
    return service


def test_below_a_group_of_its_own_that_it_divides(tmp_path: Path) -> None:
    """So the limits of its unit hold for its commands."""
    own = version_2(tmp_path, root="cpu memory pids", slice="cpu memory pids")
    service = hold(own, os.getpid(), memory_max="100000000")
    groups = find(tmp_path, own)
    assert groups
    assert groups.homes == (service / HOME,)
    assert (service / LEAF / "cgroup.procs").read_text() == str(os.getpid())
    for folder in (service, service / HOME):
        assert (folder / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"
    own.write_text(f"0::/system.slice/agent.service/{LEAF}\n")
    (service / "cgroup.subtree_control").write_text("cpu memory pids")
    found_again = find(tmp_path, own)
    assert found_again
    assert found_again.homes == groups.homes


def test_a_group_with_others_in_it_is_let_alone(tmp_path: Path) -> None:
    own = version_2(tmp_path, root="cpu memory pids", slice="memory pids")
    service = hold(own, os.getpid(), 1, cpuset_cpus="\n", io_max="")
    groups = find(tmp_path, own)
    assert groups
    assert groups.homes == (tmp_path / "system.slice" / HOME,)
    assert not (service / LEAF).exists()


@pytest.mark.parametrize(
    "limit",
    [
        {"memory_max": "1000"},
        {"cpu_max": "50000 100000"},
        {"cpuset_cpus": "0-1"},
        {"io_max": "8:0 wbps=1000000"},
    ],
)
def test_no_limit_is_escaped(tmp_path: Path, limit: dict[str, str]) -> None:
    """Where commands could only lie beside a group that has one, the watcher does."""
    own = version_2(tmp_path, root="cpu memory pids", slice="memory pids")
    hold(own, os.getpid(), 1, **limit)
    assert find(tmp_path, own) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_processes_move_to_the_leaf_of_a_real_group() -> None:
    """As far as it can be tried where version 2 has no controllers: they go, and come back."""
    root = next(filter(Path.is_dir, (cgroup.ROOT / "unified", cgroup.ROOT)))
    own = root / f"test-{os.getpid()}"
    try:
        own.mkdir()
    except OSError:
        pytest.skip("no group of version 2 can be made here")
    if not (own / "cgroup.procs").exists() or not (root / "cgroup.subtree_control").exists():
        own.rmdir()
        pytest.skip("there is no version 2 here")
    sleepers = [subprocess.Popen(["sleep", "60"]) for _ in range(3)]
    for each in sleepers:
        (own / "cgroup.procs").write_text(str(each.pid))
    (own / LEAF).mkdir()
    _move(own, own / LEAF)
    moved = _processes(own), sorted(_processes(own / LEAF))
    for each in sleepers:
        each.kill()
        each.wait()
    (own / LEAF).rmdir()
    own.rmdir()
    assert moved == ([], sorted(each.pid for each in sleepers))


# --- processor time


def weights(homes: tuple[Path, ...]) -> set[tuple[str, int]]:
    files = [home / name for home in homes for name in ("cpu.shares", "cpu.weight")]
    return {(file.name, int(file.read_text())) for file in files if file.exists()}


@pytest.fixture
def homes() -> Iterator[tuple[Path, ...]]:
    """Homes beside the real ones, in which nobody else makes groups."""
    made = tuple(home.with_name(f"test-{os.getpid()}") for home in own_parents())
    for home in made:
        home.mkdir()
        _hand_on(home, _controllers(home.parent / "cgroup.subtree_control"))
    yield made
    for home in made:
        home.rmdir()


async def test_commands_weigh_as_many_processes_as_may_run_in_them(
    homes: tuple[Path, ...],
) -> None:
    """Else all of all runs would share the processor time of one process."""
    if not weights(homes):
        pytest.skip("no processor time can be shared out here")
    groups = Groups(homes)
    running = []
    for share in (1, 1, 0.5):
        process = await asyncio.create_subprocess_exec("sleep", "60")
        running.append((process, groups.new(Limits(cpus=2, weight=share))))
        running[-1][1].join(process.pid)
    ((name, weight),) = weights(homes)
    one = {"cpu.shares": 1024, "cpu.weight": 100}[name]
    own = [weights(group._folders) for _, group in running]
    for process, group in running:
        group.end()
        await process.wait()
    assert weight == 2.5 * 2 * one
    assert own == [{(name, one)}, {(name, one)}, {(name, one // 2)}]
    assert weights(homes) == {(name, one)}


async def test_one_that_waits_weighs_nothing_until_it_is_woken(homes: tuple[Path, ...]) -> None:
    if not weights(homes):
        pytest.skip("no processor time can be shared out here")
    process = await asyncio.create_subprocess_exec("sleep", "60")
    group = Groups(homes).new(Limits(cpus=2), idle=True)
    group.join(process.pid)
    ((name, one),) = weights(homes)
    assert weights(group._folders) == {(name, round(one * 0.01))}
    group.wake()
    assert weights(group._folders) == {(name, one)}
    assert weights(homes) == {(name, 2 * one)}
    assert group.end(counted=False) == cgroup.Usage()
    await process.wait()
    assert weights(homes) == {(name, one)}


@pytest.mark.parametrize("handed_on", [{}, {"slice": "memory"}, {"slice": "cpu io pids"}])
def test_without_memory_and_pids_there_is_none(tmp_path: Path, handed_on: dict[str, str]) -> None:
    assert find(tmp_path, version_2(tmp_path, **handed_on)) is None


def test_version_2_limits_and_counts(tmp_path: Path) -> None:
    groups = find(tmp_path, version_2(tmp_path, service="cpu memory pids"))
    assert groups
    group = groups.new(LIMITS)
    folder = group._folders[0]
    folder.mkdir()
    known = ("memory.max", "memory.swap.max", "memory.oom.group", "pids.max", "cpu.max")
    for name in known:
        (folder / name).touch()
    cgroup._limit(folder, LIMITS, LIMITS.weight)
    assert [(folder / name).read_text() for name in known] == [
        *(str(64 << 20), "0", "1", "10"),
        "150000 100000",
    ]
    (folder / "memory.events").write_text("low 0\nmax 12\noom 1\noom_kill 3\n")
    (folder / "pids.events").write_text("max 7\n")
    assert group._usage() == cgroup.Usage(memory_kills=3, pids_refusals=7)


def test_a_group_that_limits_nothing_lets_nothing_in(tmp_path: Path) -> None:
    groups = find(tmp_path, version_2(tmp_path, service="cpu memory pids"))
    assert groups
    with pytest.raises(OSError, match="can be limited"):
        groups.new(LIMITS).join(os.getpid())


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere")
def test_folders_that_cannot_be_written_are_none(tmp_path: Path) -> None:
    own = version_2(tmp_path, root="cpu memory pids")
    tmp_path.chmod(0o500)
    assert find(tmp_path, own) is None


def test_without_a_hierarchy_there_is_none(tmp_path: Path) -> None:
    assert find(tmp_path) is None
    assert find(tmp_path / "nowhere") is None


def test_in_a_container_the_mount_is_its_own_group(tmp_path: Path) -> None:
    """Version 1: /proc names the host's path, the mount shows the container's part alone."""
    for name in ("memory", "pids", "cpu"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cgroup.procs").touch()
    (tmp_path / "memory" / "inner").mkdir()
    (tmp_path / "memory" / "inner" / "cgroup.procs").touch()
    own = tmp_path / "own"
    own.write_text("3:memory:/inner\n2:pids:/docker/abc\n1:cpu,cpuacct:/docker/abc\n0::/x\n")
    groups = find(tmp_path, own)
    assert groups
    assert groups.homes == (
        tmp_path / "memory" / "inner" / HOME,
        tmp_path / "pids" / HOME,
        tmp_path / "cpu" / HOME,
    )


def test_pids_alone_are_not_enough(tmp_path: Path) -> None:
    (tmp_path / "pids").mkdir()
    (tmp_path / "pids" / "cgroup.procs").touch()
    assert find(tmp_path) is None
