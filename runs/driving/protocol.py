"""Who sees to it that runs are driven: this process itself, or others that it calls."""

from typing import Protocol

from runs.model.run import Lease


class Dispatcher(Protocol):
    """What the service of runs asks of it."""

    @property
    def own_runs(self) -> frozenset[str]:
        """The runs that were asked for here, where this process takes no others."""
        ...

    @property
    def driven(self) -> int:
        """How many runs are driven here now."""
        ...

    def reserve(self, run_id: str) -> Lease | None:
        """A free slot for a run that was asked for here; None where there is none."""
        ...

    def release(self, run_id: str) -> None:
        """Let go of a slot that turned out not to be needed."""
        ...

    def new_lease(self) -> Lease:
        """A lease of this process, of one piece of work."""
        ...

    async def is_begun(self, run_id: str) -> bool:
        """Whether somebody sees to a run that waits, so far as that is known here."""
        ...

    async def begin(self, run_id: str, *, plans_at_once: bool = False) -> None:
        """See to a run that was just entered.

        `plans_at_once`: it waits for no slot and begins with a plan. What that needs first may be
        made ready meanwhile.
        """
        ...

    def cancel(self, run_id: str) -> None:
        """Stop a run that is driven here."""
        ...

    async def wait_settled(self, run_id: str) -> None:
        """Return once nothing of this process works on a run."""
        ...

    async def run(self) -> None:
        """Work until cancelled."""
        ...

    async def drain(self, within_s: float) -> None:
        """Stop what is driven here, so that it goes on elsewhere."""
        ...
