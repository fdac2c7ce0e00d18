"""Disks without space left: one error for them, and waiting until there is some."""

import asyncio
import errno
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from graph.calls import RetryPolicy, retry, to_the_end
from graph.errors import StoreFull

log = logging.getLogger(__name__)

T = TypeVar("T")
_DISK_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_POLICY: Final = RetryPolicy(attempts=sys.maxsize, first_s=0.2, longest_s=5.0, total_s=900.0)


def store_full(error: BaseException) -> StoreFull | None:
    """The error as StoreFull; None where it says something else."""
    if not isinstance(error, OSError) or error.errno not in _DISK_FULL:
        return None
    return StoreFull("There is no space left on the disk.")


@contextmanager
def map_full_disk() -> Iterator[None]:
    """A full disk as StoreFull; every other error as it is."""
    try:
        yield
    except OSError as error:
        if full := store_full(error):
            raise full from error
        raise


async def outlast_full_disk(write: Callable[[], T], policy: RetryPolicy = _POLICY) -> T:
    """What `write` gives, on a thread; called again where what was paid for finds no space.

    Who is cancelled meanwhile knows that nothing is written any more.
    """

    def mapped() -> T:
        with map_full_disk():
            return write()

    def tell(error: StoreFull, attempt: int, _: float) -> None:
        if attempt == 1:
            log.warning("what is to be kept waits: %s", error)

    return await retry(
        lambda: to_the_end(asyncio.to_thread(mapped)), policy, on=StoreFull, tell=tell
    )
