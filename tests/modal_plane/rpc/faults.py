"""Faults on demand: an RPC that fails, takes its time, or waits until the test lets it go on."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from grpclib import GRPCError, Status
from modal_proto import api_pb2 as pb

LOGGERS = ("grpclib.server", "aiohttp.server")


@dataclass
class Held:
    """One call that is held: `reached` once it has come, and let go by `released`."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Fault:
    """What happens to the next `times` calls of one RPC."""

    times: int
    delay: float = 0.0
    status: Status | None = None
    message: str = ""
    held: Held | None = None
    retry_after_s: float | None = None


@dataclass(frozen=True)
class Call:
    """One call that came: of which RPC, when by Unix time, from containers of which function."""

    rpc: str
    at: float
    function: str


class Faults(logging.Handler):
    """The faults still to come, which RPCs were called, what the plane itself got wrong."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.planned: dict[str, list[Fault]] = {}
        self.calls: list[Call] = []
        self.latencies: Mapping[str, float] = {}
        """Seconds that each call of an RPC takes longer than on this machine."""
        self.own: list[str] = []

    @property
    def seen(self) -> Counter[str]:
        """How often each RPC was called."""
        return Counter(call.rpc for call in self.calls)

    def fail(self, rpc: str, status: Status, *, times: int = 1, message: str = "") -> None:
        """Let the next `times` calls of `rpc` end with `status`."""
        self._plan(rpc, Fault(times, status=status, message=message or f"{rpc} fails on demand"))

    def throttle(self, rpc: str, retry_after_s: float, *, times: int = 1) -> None:
        """Tell the next `times` callers of `rpc` to come again later, as where too many call."""
        status, message = Status.RESOURCE_EXHAUSTED, f"{rpc} is called too often"
        self._plan(rpc, Fault(times, status=status, message=message, retry_after_s=retry_after_s))

    def delay(self, rpc: str, seconds: float, *, times: int = 1) -> None:
        """Let the next `times` calls of `rpc` take `seconds` longer."""
        self._plan(rpc, Fault(times, delay=seconds))

    @contextmanager
    def holding(self, rpc: str) -> Iterator[Held]:
        """Hold the next call of `rpc` until it is released, or the block ends."""
        held = Held()
        fault = Fault(1, held=held)
        self._plan(rpc, fault)
        try:
            yield held
        finally:
            held.released.set()
            if fault in self.planned.get(rpc, []):
                self.planned[rpc].remove(fault)

    def clear(self) -> None:
        self.planned.clear()

    def _plan(self, rpc: str, fault: Fault) -> None:
        self.planned.setdefault(rpc, []).append(fault)

    async def meet(self, rpc: str, function: str = "") -> None:
        """Note one call of `rpc`, and let it meet the fault that was planned for it."""
        self.calls.append(Call(rpc, time.time(), function))
        if latency := self.latencies.get(rpc):
            await asyncio.sleep(latency)
        faults = self.planned.get(rpc)
        if not faults:
            return
        fault = faults[0]
        fault.times -= 1
        if fault.times <= 0:
            faults.pop(0)
        if fault.held is not None:
            fault.held.reached.set()
            await fault.held.released.wait()
        await asyncio.sleep(fault.delay)
        if fault.status is not None:
            asked = fault.retry_after_s
            details = None if asked is None else [pb.RPCRetryPolicy(retry_after_secs=asked)]
            raise GRPCError(fault.status, fault.message, details)

    def listen(self) -> None:
        """Keep what the plane's own servers log as an error."""
        for name in LOGGERS:
            logging.getLogger(name).addHandler(self)

    def stop(self) -> None:
        for name in LOGGERS:
            logging.getLogger(name).removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.own.append(logging.Formatter().format(record))
