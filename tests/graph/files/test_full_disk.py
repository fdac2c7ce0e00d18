"""Writes that wait for room on a disk."""

import asyncio
import errno
import threading

import pytest

from graph.calls import RetryPolicy
from graph.files.full_disk import outlast_full_disk

POLICY = RetryPolicy(attempts=3, first_s=0.001, longest_s=0.001, total_s=60.0)


async def test_a_write_that_found_no_room_is_tried_again() -> None:
    faults = [OSError(errno.ENOSPC, "full"), OSError(errno.EDQUOT, "full")]

    def write() -> str:
        if faults:
            raise faults.pop()
        return "written"

    assert await outlast_full_disk(write, POLICY) == "written"


async def test_nothing_is_written_any_more_once_who_waits_is_cancelled() -> None:
    begun, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def write() -> None:
        begun.set()
        may_end.wait(60)
        ended.set()

    writing = asyncio.create_task(outlast_full_disk(write, POLICY))
    assert await asyncio.to_thread(begun.wait, 60)
    writing.cancel()
    await asyncio.sleep(0)
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert ended.is_set()
