"""Where the events of a node go: to LangGraph's stream, and to who hears them beside it."""

from contextvars import ContextVar
from typing import Final

from langgraph.config import get_stream_writer

from graph.events import Emit, Event, unheard

HEARD: Final[ContextVar[Emit]] = ContextVar("coding_agent_heard", default=unheard)
"""Set around the call of a node by who keeps its events."""


def emit_of_node() -> Emit:
    """Emits events of the node that runs now."""
    writer, hear = get_stream_writer(), HEARD.get()

    def emit(event: Event) -> None:
        writer({"key": event.key, **event.data()})
        hear(event)

    return emit
