"""Faults on demand: an RPC that fails, or that takes its time."""

import asyncio
from dataclasses import dataclass, field

from grpclib import GRPCError, Status


@dataclass
class Fault:
    """What happens to the next `times` calls of one RPC."""

    times: int
    delay: float = 0.0
    status: Status | None = None
    message: str = ""


@dataclass
class Faults:
    """The faults still to come, how often each RPC was called, and which are not there."""

    planned: dict[str, list[Fault]] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    def fail(self, rpc: str, status: Status, *, times: int = 1, message: str = "") -> None:
        """Let the next `times` calls of `rpc` end with `status`."""
        self._plan(rpc, Fault(times, status=status, message=message or f"{rpc} fails on demand"))

    def delay(self, rpc: str, seconds: float, *, times: int = 1) -> None:
        """Let the next `times` calls of `rpc` take `seconds` longer."""
        self._plan(rpc, Fault(times, delay=seconds))

    def clear(self) -> None:
        self.planned.clear()

    def _plan(self, rpc: str, fault: Fault) -> None:
        self.planned.setdefault(rpc, []).append(fault)

    async def meet(self, rpc: str) -> None:
        """Count one call of `rpc`, and let it meet the fault that was planned for it."""
        self.seen[rpc] = self.seen.get(rpc, 0) + 1
        faults = self.planned.get(rpc)
        if not faults:
            return
        fault = faults[0]
        fault.times -= 1
        if fault.times <= 0:
            faults.pop(0)
        await asyncio.sleep(fault.delay)
        if fault.status is not None:
            raise GRPCError(fault.status, fault.message)
