"""How a container's tree is measured."""

from pathlib import Path

import pytest

from sandbox.host.resource_usage import Disk, Outgrown

LIMIT = 2 << 20


def write(folder: Path, name: str, mib: int) -> None:
    (folder / name).write_bytes(bytes(mib << 20))


def test_a_tree_over_its_limit_is_told_whatever_others_free_on_its_disk(tmp_path: Path) -> None:
    disk = Disk([str(tmp_path)], LIMIT, 0)
    write(tmp_path, "large", 3)
    disk.free = 0  # as where others freed more than was written
    with pytest.raises(Outgrown):
        disk.walk(())


def test_one_that_is_known_to_be_over_it_may_be_cleaned_up_and_not_grow(tmp_path: Path) -> None:
    write(tmp_path, "large", 4)
    before = Disk([str(tmp_path)], LIMIT, 0)
    with pytest.raises(Outgrown):
        before.walk(())
    after = Disk([str(tmp_path)], LIMIT, before.size)
    write(tmp_path, "large", 3)
    after.walk(())
    write(tmp_path, "more", 2)
    with pytest.raises(Outgrown):
        after.walk(())
