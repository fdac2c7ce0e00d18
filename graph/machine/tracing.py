"""Spans of what a run does, for whoever has set a tracer provider up; else they cost nothing.

No span holds content: no prompt, no output, no message of an error.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from langgraph.errors import GraphBubbleUp
from opentelemetry import trace
from opentelemetry.trace import Span, StatusCode

from graph.errors import CodingAgentError

_TRACER: Final = trace.get_tracer("coding_agent")


@contextmanager
def span(name: str, **attributes: str | int) -> Iterator[Span]:
    """A span around the block; what fails in it leaves its code, or the name of its class."""
    with _TRACER.start_as_current_span(
        name,
        attributes={f"coding_agent.{name}": value for name, value in attributes.items()},
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        try:
            yield current
        except GraphBubbleUp:  # a node that waits for an answer
            raise
        except Exception as error:
            code = error.code if isinstance(error, CodingAgentError) else type(error).__name__
            current.set_attribute("error.type", code)
            current.set_status(StatusCode.ERROR)
            raise
