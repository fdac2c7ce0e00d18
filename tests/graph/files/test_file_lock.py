"""Locks between processes."""

import asyncio
import os
from pathlib import Path

import pytest

from graph.files import locked, locked_if_free, try_lock
from tests.support.cut_short import cut_at_each_step


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "a.lock"


async def _take(lock: Path) -> bool:
    async with locked(lock):
        return True


async def _is_held(lock: Path) -> bool:
    """Whether a lock stays held while others have the time to give it back."""
    waiting = asyncio.ensure_future(_take(lock))
    await asyncio.sleep(0.1)
    held = not waiting.done()
    waiting.cancel()
    return held


async def test_it_is_held_by_one_or_shared(lock: Path) -> None:
    async with locked(lock, shared=True), locked(lock, shared=True):
        with locked_if_free(lock) as free:
            assert not free
        with locked_if_free(lock, shared=True) as free:
            assert free
        assert await _is_held(lock)
    assert await _take(lock)


async def test_it_is_waited_for(lock: Path) -> None:
    async with locked(lock):
        waiting = asyncio.ensure_future(_take(lock))
        await asyncio.sleep(0.1)
        assert not waiting.done()
    assert await waiting


async def test_who_waits_for_a_removed_file_takes_the_next(lock: Path) -> None:
    async with locked(lock):
        waiting = asyncio.ensure_future(_take(lock))
        await asyncio.sleep(0.1)
        lock.unlink()
        assert await _take(lock)
        assert not waiting.done()
    assert await waiting
    assert lock.exists()


def test_a_missing_file_is_free_and_not_made(lock: Path) -> None:
    with locked_if_free(lock) as free:
        assert free
    assert not lock.exists()


def test_a_folder_is_locked_until_it_is_closed(tmp_path: Path) -> None:
    first, second = (os.open(tmp_path, os.O_RDONLY) for _ in range(2))
    try:
        assert try_lock(first)
        assert not try_lock(second)
        os.close(first)
        assert try_lock(second)
    finally:
        os.close(second)


async def test_who_is_cancelled_leaves_no_file_open(lock: Path) -> None:
    async def take() -> None:
        async with locked(lock):
            await asyncio.sleep(0)

    await take()
    before = len(list(Path("/proc/self/fd").iterdir()))
    async for _ in cut_at_each_step(take):
        assert len(list(Path("/proc/self/fd").iterdir())) == before
