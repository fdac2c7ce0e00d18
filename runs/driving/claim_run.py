"""Taking a run to drive it."""

import time
from collections.abc import Callable

from graph import RunStarted
from graph.errors import RunNotFound
from runs.model import claiming
from runs.model.attempts import Step
from runs.model.run import Lease, Run
from runs.store.protocol import Store


async def claim_run(
    store: Store,
    run_id: str,
    lease: Lease,
    *,
    started: Callable[[Run], RunStarted],
    dead_services: Callable[[Run], frozenset[str]],
    suspects: bool = True,
) -> Run | None:
    """The run, held by this lease from now on; None where it is another's, or none.

    `dead_services` says of the run as it is which services that may hold it are dead.
    """

    def decide(run: Run) -> Step | None:
        return claiming.claim(
            run,
            lease=lease,
            now=time.time(),
            dead_services=dead_services(run),
            started=started(run),
            suspects=suspects,
        )

    try:
        run = await store.transact(run_id, decide)
    except RunNotFound:
        return None
    return run if run and run.lease == lease else None
