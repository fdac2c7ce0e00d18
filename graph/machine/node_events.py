"""Where the events of a node go: to LangGraph's stream, and to who hears them beside it."""

from contextvars import ContextVar
from typing import Final

from langgraph.config import get_stream_writer

from graph.events.run_events import Emit, Event, GateFinished, PrCreated, PrUpdated, unheard
from graph.publication import GateReport, PullRequest

HEARD: Final[ContextVar[Emit]] = ContextVar("coding_agent_heard", default=unheard)
"""Set around the call of a node by who keeps its events."""


def emit_of_node() -> Emit:
    """Emits events of the node that runs now."""
    writer, hear = get_stream_writer(), HEARD.get()

    def emit(event: Event) -> None:
        writer({"key": event.key, **event.data()})
        hear(event)

    return emit


def tell_gate(gate: GateReport, emit: Emit, key: str) -> None:
    emit(GateFinished(passed=gate.passed, findings=gate.findings).keyed(key))


def tell_pull_request(made: PullRequest, emit: Emit, key: str) -> None:
    kind = PrCreated if made.created else PrUpdated
    told = kind(
        url=made.url,
        number=made.number,
        branch=made.branch,
        draft=made.draft,
        head_repo=made.head_repo,
    )
    emit(told.keyed(key))
