"""Outlasting a store that others hold, that is full, or that does not answer for a while."""

import logging
import sys
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from graph import RetryPolicy, retry
from graph.errors import StoreError, StoreFull, StoreLocked, StoreStale, StoreUnavailable

log = logging.getLogger(__name__)

T = TypeVar("T")
PASSING: Final = (StoreFull, StoreLocked, StoreStale, StoreUnavailable)


def outlast(total_s: float) -> RetryPolicy:
    """The policy of who has paid for what is to be stored: a backup or a full disk goes by."""
    return RetryPolicy(attempts=sys.maxsize, first_s=0.2, longest_s=5.0, total_s=total_s)


STORE_POLICY: Final = outlast(900.0)


async def when_available(
    call: Callable[[], Awaitable[T]], policy: RetryPolicy = STORE_POLICY, *, what: str
) -> T:
    """What `call` of the store gives, once the store can do it. Raises the last StoreError.

    The first failure is logged, with `what` waits.
    """

    def tell(error: StoreError, attempt: int, _: float) -> None:
        if attempt == 1:
            log.warning("%s waits for the store: %s", what, error)

    return await retry(
        call, policy, on=StoreError, when=lambda error: isinstance(error, PASSING), tell=tell
    )
