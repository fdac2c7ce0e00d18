"""Bombs of data and of empty files: stopped by the watcher, and by how much too late is told."""

from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.core.protocol import Limits
from sandbox.host.resource_usage import ENTRY_BYTES, tree_bytes
from sandbox.selftest.disk_overshoot import DATA_BOMB, FILES, FILES_BOMB, LIMIT_MB, overshoot
from tests.support.sandbox.local_tree import make_backend, open_tree, run_outside

pytestmark = pytest.mark.sandbox


async def test_what_the_watcher_misses_is_measured(data_dir: Path) -> None:
    backend = make_backend(data_dir)
    disk, inodes = await overshoot(backend)
    assert (disk.name, disk.held, inodes.name, inodes.held) == ("disk", True, "inodes", True)
    for result, told in {
        disk: f"limit of {LIMIT_MB} MiB",
        inodes: f"{LIMIT_MB * 256} files",
    }.items():
        assert told in result.detail
        assert " over a limit" in result.detail or "slow" in result.detail
    assert not list((data_dir / "state").glob("trial-*"))


async def test_empty_files_are_stopped_before_the_next_walk_is_due(data_dir: Path) -> None:
    limits = Limits(disk_mb=8)
    sandbox = open_tree(make_backend(data_dir, limits), data_dir / "tree")
    result = await sandbox.run(FILES_BOMB)
    assert (result.exit_code, result.limit) == (None, "disk")
    made = tree_bytes(data_dir / "tree") // ENTRY_BYTES
    assert limits.disk_mb * 256 < made < FILES


async def test_without_the_watcher_the_bombs_go_off(data_dir: Path) -> None:
    """The control: nothing else stops them."""
    wide = replace(make_backend(data_dir).limits, disk_mb=4096)
    sandbox = open_tree(make_backend(data_dir, wide), data_dir / "tree")
    result = await sandbox.run(FILES_BOMB)
    assert result.text == "tried-inodes\nthrough-inodes\n"
    done = run_outside(DATA_BOMB.replace("head -c 16M", "head -c 1M"), data_dir)
    assert done.stdout == "tried-disk\nthrough-disk\n"
