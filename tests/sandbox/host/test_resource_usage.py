"""How a tree is measured: what is in it, whatever was done to hide it. How memory is."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.host.resource_usage import (
    DEEPEST,
    PAGE,
    UNCOUNTABLE,
    TreeSize,
    exceeded,
    tree_bytes,
)
from tests.support.sandbox.local_tree import AS_ROOT

LIMIT = 2 << 20
ROOT = Path(__file__).parents[3]
COUNTED = """
import sys
from sandbox.host.resource_usage import tree_bytes
print(tree_bytes(sys.argv[1]))
"""


def write(folder: Path, name: str, mib: int) -> None:
    (folder / name).write_bytes(bytes(mib << 20))


def test_a_tree_over_its_limit_is_told_whatever_others_free_on_its_disk(tmp_path: Path) -> None:
    freed = iter(range(99))
    size = TreeSize([str(tmp_path)], LIMIT, free=lambda _folder: (next(freed) << 30, 0))
    write(tmp_path, "large", 3)
    assert size.has_outgrown(list)


def test_one_that_is_known_to_be_over_it_may_be_cleaned_up_and_not_grow(tmp_path: Path) -> None:
    write(tmp_path, "large", 4)
    before = TreeSize([str(tmp_path)], LIMIT)
    assert before.has_outgrown(list)
    after = TreeSize([str(tmp_path)], LIMIT, before.size)
    write(tmp_path, "large", 3)
    assert not after.has_outgrown(list)
    write(tmp_path, "more", 2)
    assert after.has_outgrown(list)


def test_one_over_its_limit_does_not_grow_a_little_at_a_time(tmp_path: Path) -> None:
    """From walk to walk."""
    write(tmp_path, "large", 4)
    size = TreeSize([str(tmp_path)], LIMIT)
    assert size.has_outgrown(list)
    outgrown = []
    for name in "abc":
        (tmp_path / name).write_bytes(bytes(600 << 10))
        outgrown.append(size.has_outgrown(list))
    assert outgrown == [False, True, False]


def test_one_that_cannot_be_counted_is_over_its_limit_as_long_as_that_is_so(
    tmp_path: Path,
) -> None:
    """In each command, not in the one alone that made it so."""
    deep = tmp_path.joinpath(*["d"] * (DEEPEST + 1))
    deep.mkdir(parents=True)
    first = TreeSize([str(tmp_path)], LIMIT)
    next_one = TreeSize([str(tmp_path)], LIMIT, UNCOUNTABLE)
    for size in (first, first, next_one):
        assert size.has_outgrown(list)
    shutil.rmtree(tmp_path / "d")
    assert not first.has_outgrown(list)


def test_what_was_written_a_little_at_a_time_is_not_forgotten(tmp_path: Path) -> None:
    """From command to command, where none of them is walked over."""
    size, limit = 0, 40 << 20
    outgrown = []
    for name in "abcde":
        tree = TreeSize([str(tmp_path)], limit, size, lambda folder: (-tree_bytes(folder), 0))
        write(tmp_path, name, 9)
        outgrown.append(tree.size > limit and tree.has_outgrown(list))
        size = tree.size
    assert outgrown == [False, False, False, False, True]


def count_as_its_owner(folder: Path) -> int:
    """As a service without root counts the trees of its own commands."""
    drop = ("setpriv", "--reuid=34567", "--regid=34567", "--clear-groups", "--") if AS_ROOT else ()
    done = subprocess.run(
        [*drop, sys.executable, "-c", COUNTED, str(folder)],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",
        check=True,
        capture_output=True,
        text=True,
    )
    return int(done.stdout)


@pytest.mark.parametrize("mode", [0o000, 0o100, 0o200, 0o300, 0o400, 0o600])
def test_a_folder_that_its_own_user_may_not_list_counts(data_dir: Path, mode: int) -> None:
    """And looks as it did afterwards: a test of the repository may be about such a folder."""
    tree = data_dir / "tree"
    closed = [tree / "a", tree / "a" / "b", tree / "a" / "c", tree / "a" / "b" / "d"]
    for folder in (tree, *closed):
        folder.mkdir()
        write(folder, "large", 1)
    (data_dir / "outside").mkdir()
    (tree / "a" / "link").symlink_to(data_dir / "outside")
    for path in (data_dir / "outside", tree, *closed):
        os.chown(path, 34567 if AS_ROOT else -1, -1)
    (data_dir / "outside").chmod(mode)
    for folder in reversed(closed):
        folder.chmod(mode)
    counted = count_as_its_owner(tree)
    left = [path.stat().st_mode & 0o7777 for path in (data_dir / "outside", closed[0])]
    for folder in (data_dir / "outside", *closed):
        folder.chmod(0o700)
    assert counted == tree_bytes(tree) > 5 << 20
    assert left == [mode, mode]


def test_what_cannot_be_counted_is_more_than_any_limit(data_dir: Path) -> None:
    if not AS_ROOT:
        pytest.skip("needs root, to make a folder of another user")
    (data_dir / "tree" / "others").mkdir(parents=True)
    (data_dir / "tree" / "others").chmod(0o700)
    assert count_as_its_owner(data_dir / "tree") == UNCOUNTABLE


@pytest.mark.parametrize(
    ("kernel", "anonymous_mb", "limit"),
    [
        ("gVisor", 900, None),
        ("gVisor", 2100, "memory"),
        ("Linux", 99_000, None),
        ("old Linux", 99_000, "memory"),
    ],
)
def test_memory_that_forked_workers_share_counts_once(
    tmp_path: Path, kernel: str, anonymous_mb: int, limit: str | None
) -> None:
    """Four workers with 700 MB of their parent's, under a limit of 2 GB.

    gVisor counts files in memory as what processes hold; an old kernel is that of a whole machine.
    """
    pages, files_mb = (700 << 20) // PAGE, 5000
    for pid in range(10, 15):
        folder = tmp_path / f"{pid}"
        folder.mkdir()
        (folder / "statm").write_text(f"{2 * pages} {pages} 0 1 0 {pages} 0\n")
        if kernel == "Linux":
            (folder / "smaps_rollup").write_text(f"Rss: {700 << 10} kB\nPss: {140 << 10} kB\n")
    shmem_mb = files_mb if kernel == "gVisor" else 0
    (tmp_path / "meminfo").write_text(
        f"MemTotal: 9999999 kB\nAnonPages: {anonymous_mb + shmem_mb << 10} kB\n"
        f"HugePages_Total: 0\nShmem: {shmem_mb << 10} kB\n"
    )
    family = dict.fromkeys(range(10, 15), (10, 1, pages))
    assert exceeded(family, pids=99, memory=2 << 30, proc=str(tmp_path)) == limit
