"""What `/metrics` shows: counters of the events that were logged, gauges of the store."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, Gauge, Info, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from graph import FINAL_STATUSES, Status
from runs.model import LAG_S, NODE_S, EventTotals, LoggedEvent, ServiceStats

_STATUSES: Final[tuple[Status, ...]] = ("queued", "running", "waiting", *sorted(FINAL_STATUSES))
_COUNTERS: Final[tuple[tuple[str, str, tuple[str, ...]], ...]] = (
    ("run_ends", "Attempts of runs that ended.", ("status",)),
    ("run_resumes", "Attempts that carried a run on.", ("reason",)),
    ("model_calls", "Replies of a model.", ("role", "model")),
    ("tokens", "Tokens as billed.", ("role", "model", "kind")),
    ("cost_usd", "Money for replies of known price.", ("role", "model")),
    ("unpriced_calls", "Replies of unknown price.", ("model",)),
    ("retries", "What was tried again.", ("what",)),
)
_DISTRIBUTIONS: Final[tuple[tuple[str, str, tuple[str, ...], tuple[float, ...]], ...]] = (
    ("node_seconds", "How long nodes took.", ("node", "outcome"), NODE_S),
    ("event_lag_seconds", "From an event's making to when readers can have it.", (), LAG_S),
)


class SandboxCounts(Protocol):
    """Commands that were started in sandboxes, and those that were ended, by reason."""

    @property
    def started(self) -> int: ...

    @property
    def killed(self) -> Mapping[str, int]: ...


class Metrics:
    """The numbers of one process; what events add up to is the store's where that is `shared`.

    `sandboxes` gives those that no event tells.
    """

    def __init__(
        self,
        *,
        version: str,
        sandboxes: Callable[[], SandboxCounts] | None = None,
        shared: bool = False,
    ) -> None:
        self._shared = shared
        self._process = CollectorRegistry()
        self._state = CollectorRegistry()
        self._totals = EventTotals()
        self._make_gauges()
        Info("coding_agent_build", "What runs here.", registry=self._process).info(
            {"version": version}
        )
        ProcessCollector(registry=self._process)
        if sandboxes:
            self._process.register(_SandboxCollector(sandboxes))

    def observe(self, event: LoggedEvent) -> None:
        """Count one event that this process has logged."""
        self._totals.count_lag(time.time() - event.time)
        self._totals.count(event.data)

    def render(self, stats: ServiceStats | None) -> bytes:
        """The text of one scrape; None where the store does not answer."""
        self._store_up.set(stats is not None)
        text = generate_latest(self._process)
        totals: EventTotals | None = self._totals
        if self._shared:
            totals = stats.event_totals if stats else None
        if totals is not None:
            counted = CollectorRegistry()
            counted.register(_EventCollector(totals))
            text += generate_latest(counted)
        if stats is None:
            return text
        for status in _STATUSES:
            self._runs.labels(status).set(stats.runs.get(status, 0))
        self._queued.set(stats.queued)
        self._driven.set(stats.driven)
        self._slots.set(stats.slots)
        self._readers.set(stats.readers)
        return text + generate_latest(self._state)

    def _make_gauges(self) -> None:
        def gauge(name: str, what: str, *labels: str) -> Gauge:
            return Gauge(f"coding_agent_{name}", what, labels, registry=self._state)

        self._runs = gauge("runs", "Runs that are kept.", "status")
        self._queued = gauge("queued_runs", "Runs that wait for a free slot.")
        self._driven = gauge("driven_runs", "Runs that this process drives.")
        self._slots = gauge("run_slots", "Runs that this process drives at most.")
        self._readers = gauge("readers", "Readers of event streams.")
        self._store_up = Gauge(
            "coding_agent_store_up", "Whether the store answers.", registry=self._process
        )


class _EventCollector(Collector):
    """Event totals as counters and distributions."""

    def __init__(self, totals: EventTotals) -> None:
        self._totals = totals

    def collect(self) -> Iterator[Metric]:
        for name, what, labels in _COUNTERS:
            family = CounterMetricFamily(f"coding_agent_{name}", what, labels=labels)
            found = dict(self._totals.by_name(name))
            if name == "run_ends":
                found = {**{(status,): 0 for status in sorted(FINAL_STATUSES)}, **found}
            for values, number in found.items():
                family.add_metric(values, number)
            yield family
        for name, what, labels, bounds in _DISTRIBUTIONS:
            histogram = HistogramMetricFamily(f"coding_agent_{name}", what, labels=labels)
            for values, total in self._totals.by_name(f"{name}.sum"):
                buckets = self._totals.buckets(name, values, bounds)
                histogram.add_metric(values, buckets, sum_value=total)
            yield histogram


class _SandboxCollector(Collector):
    """Counts that are kept elsewhere, read when they are asked for."""

    def __init__(self, read: Callable[[], SandboxCounts]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        counts = self._read()
        yield CounterMetricFamily(
            "coding_agent_sandbox_starts",
            "Commands that were started in a sandbox.",
            value=counts.started,
        )
        killed = CounterMetricFamily(
            "coding_agent_sandbox_kills",
            "Commands that were ended before their own end, or never came to begin.",
            labels=("reason",),
        )
        for reason, count in sorted(counts.killed.items()):
            killed.add_metric((reason,), count)
        yield killed
