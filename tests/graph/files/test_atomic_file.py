"""Files that are there whole or not at all."""

from pathlib import Path

import pytest

from graph.files import write_whole


def test_a_file_is_replaced_and_private(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "er" / "file"
    write_whole(file, b"one")
    write_whole(file, b"two")
    assert file.read_bytes() == b"two"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["file"]


def test_a_file_that_cannot_take_its_place_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "place" / "full").mkdir(parents=True)
    with pytest.raises(OSError, match="place"):
        write_whole(tmp_path / "place", b"data")
    assert [path.name for path in tmp_path.iterdir()] == ["place"]
