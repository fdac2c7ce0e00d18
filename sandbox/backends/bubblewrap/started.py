"""What carries out a command, and the control group that limits it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from sandbox.backends.bubblewrap.execution import Execution
from sandbox.core.output import BothEnds
from sandbox.host import cgroup
from sandbox.host.executors import on_worker


@dataclass(frozen=True)
class Started:
    """One bubblewrap that was started."""

    execution: Execution
    group: cgroup.Group | None

    async def is_let_in(self, then: "asyncio.Future[None]", within_s: float) -> bool:
        return await self.execution.is_let_in(then, within_s)

    def begin(self, kept: BothEnds, most: int) -> None:
        self.execution.begin(kept, most)

    def give(self, program: Sequence[str]) -> None:
        """Its group gets its weight meanwhile."""
        self.execution.give(program)
        if self.group:
            on_worker(self.group.wake)

    def end(self, *, counted: bool) -> "asyncio.Future[cgroup.Usage]":
        """Remove the group of what has ended: only for what was `counted` need anybody wait."""
        return on_worker(partial(self.group.end, counted=counted) if self.group else cgroup.Usage)

    async def discard(self) -> None:
        self.execution.stop()
        try:
            await self.execution.wait()
        finally:
            await asyncio.shield(self.end(counted=False))
