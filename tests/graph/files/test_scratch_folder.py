"""Folders for a moment: none stays, whoever is cancelled at which step."""

import asyncio
from pathlib import Path

import pytest

from graph.files import temporary_folder
from tests.support.cut_short import cut_at_each_step


@pytest.mark.parametrize("again", [0, 2])
async def test_none_is_left(tmp_path: Path, again: int) -> None:
    async def use() -> None:
        async with temporary_folder("a-", tmp_path) as folder:
            assert folder.stat().st_mode & 0o777 == 0o700
            (folder / "file").touch()
            await asyncio.sleep(0)

    async for _ in cut_at_each_step(use, again=again):
        assert list(tmp_path.iterdir()) == []
    assert list(tmp_path.iterdir()) == []
