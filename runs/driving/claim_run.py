"""Taking a run to drive it."""

import time
from collections.abc import Callable
from math import inf

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
    most_s: float = inf,
) -> Run | None:
    """The run, held by this lease from now on; None where it is another's, or none.

    `dead_services` says of the run as it is which services that may hold it are dead. A run whose
    holder may live is left to it where the store took more than `most_s`: others held it, and so
    long nobody could renew a lease.
    """
    asked = time.monotonic()

    def decide(run: Run) -> Step | None:
        dead = dead_services(run)
        may_live = run.lease and run.lease.token and run.lease.service not in dead
        if may_live and time.monotonic() - asked > most_s:
            return None
        return claiming.claim(
            run,
            lease=lease,
            now=time.time(),
            dead_services=dead,
            started=started(run),
            suspects=suspects,
        )

    try:
        run = await store.transact(run_id, decide)
    except RunNotFound:
        return None
    return run if run and run.lease == lease else None
