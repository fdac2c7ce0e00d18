"""Role calls of a run, numbered by who drives it."""

from functools import partial

from runs.model.run import Run
from runs.model.transitions import raise_fence
from runs.store.patience import when_available
from runs.store.protocol import Store


async def number_call(store: Store, run_id: str) -> Run:
    """The run with one more role call. Raises LeaseLost where this process does not drive it."""
    step = partial(raise_fence, service=store.service)
    number = partial(store.transact, run_id, step)
    run = await when_available(number, what=f"a role call of run {run_id}")
    assert run, "a number was given"
    return run
