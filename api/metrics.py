"""What `/metrics` shows: counters of the events that this process logged, gauges of the store."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from graph.values import Status
from runs.figures import Figures
from runs.records import FINAL, LoggedEvent

_NODE_S: Final = (0.1, 0.3, 1, 3, 10, 30, 60, 180, 600, 1800, 3600)
_LAG_S: Final = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10)
_STATUSES: Final[tuple[Status, ...]] = ("queued", "running", "waiting", *sorted(FINAL))
_KINDS: Final = {
    "input": "input_tokens",
    "output": "output_tokens",
    "cache_write": "cache_creation_input_tokens",
    "cache_read": "cache_read_input_tokens",
}


class SandboxCounts(Protocol):
    """Commands that were started in sandboxes, and those that were ended, by reason."""

    @property
    def started(self) -> int: ...

    @property
    def killed(self) -> Mapping[str, int]: ...


class Metrics:
    """The numbers of one process. `sandboxes` gives those that no event tells."""

    def __init__(
        self, *, version: str, sandboxes: Callable[[], SandboxCounts] | None = None
    ) -> None:
        self._counted = CollectorRegistry()
        self._state = CollectorRegistry()
        self._on: dict[str, Callable[[dict[str, Any]], None]] = {
            "node.finished": self._on_node,
            "usage": self._on_usage,
            "retry": self._on_retry,
            "run.resumed": self._on_resumed,
            "run.finished": self._on_end,
        }
        self._make_counters()
        self._make_gauges()
        Info("coding_agent_build", "What runs here.", registry=self._counted).info(
            {"version": version}
        )
        ProcessCollector(registry=self._counted)
        if sandboxes:
            self._counted.register(_Sandboxes(sandboxes))

    def observe(self, event: LoggedEvent) -> None:
        """Count one event that this process has logged."""
        self._lag.observe(max(0.0, time.time() - event.time))
        if count := self._on.get(event.type):
            count(event.data)

    def render(self, figures: Figures | None) -> bytes:
        """The text of one scrape; None where the store does not answer."""
        self._store_up.set(figures is not None)
        counted = generate_latest(self._counted)
        if figures is None:
            return counted
        for status in _STATUSES:
            self._runs.labels(status).set(figures.runs.get(status, 0))
        self._queued.set(figures.queued)
        self._driven.set(figures.driven)
        self._slots.set(figures.slots)
        self._readers.set(figures.readers)
        return counted + generate_latest(self._state)

    def _make_counters(self) -> None:
        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"coding_agent_{name}", what, labels, registry=self._counted)

        self._ends = counter("run_ends", "Attempts of runs that ended.", "status")
        for status in FINAL:
            self._ends.labels(status)
        self._resumed = counter("run_resumes", "Attempts that carried a run on.", "reason")
        self._calls = counter("model_calls", "Replies of a model.", "role", "model")
        self._tokens = counter("tokens", "Tokens as billed.", "role", "model", "kind")
        self._cost = counter("cost_usd", "Money for replies of known price.", "role", "model")
        self._unpriced = counter("unpriced_calls", "Replies of unknown price.", "model")
        self._retries = counter("retries", "What was tried again.", "what")
        self._nodes = Histogram(
            "coding_agent_node_seconds",
            "How long nodes took.",
            ("node", "outcome"),
            buckets=_NODE_S,
            registry=self._counted,
        )
        self._lag = Histogram(
            "coding_agent_event_lag_seconds",
            "From an event's making to when readers can have it.",
            buckets=_LAG_S,
            registry=self._counted,
        )

    def _make_gauges(self) -> None:
        def gauge(name: str, what: str, *labels: str) -> Gauge:
            return Gauge(f"coding_agent_{name}", what, labels, registry=self._state)

        self._runs = gauge("runs", "Runs that are kept.", "status")
        self._queued = gauge("queued_runs", "Runs that wait for a free slot.")
        self._driven = gauge("driven_runs", "Runs that this process drives.")
        self._slots = gauge("run_slots", "Runs that this process drives at most.")
        self._readers = gauge("readers", "Readers of event streams.")
        self._store_up = Gauge(
            "coding_agent_store_up", "Whether the store answers.", registry=self._counted
        )

    def _on_node(self, data: dict[str, Any]) -> None:
        self._nodes.labels(data["node"], data["outcome"]).observe(data["durationMs"] / 1000)

    def _on_usage(self, data: dict[str, Any]) -> None:
        role, model = data["role"], data["model"]
        self._calls.labels(role, model).inc()
        for kind, field in _KINDS.items():
            self._tokens.labels(role, model, kind).inc(data.get(field) or 0)
        if data["costUsd"] is None:
            self._unpriced.labels(model).inc()
        else:
            self._cost.labels(role, model).inc(data["costUsd"])

    def _on_retry(self, data: dict[str, Any]) -> None:
        self._retries.labels(data["what"]).inc()

    def _on_resumed(self, data: dict[str, Any]) -> None:
        self._resumed.labels(data["reason"]).inc()

    def _on_end(self, data: dict[str, Any]) -> None:
        self._ends.labels(data["status"]).inc()


class _Sandboxes(Collector):
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
