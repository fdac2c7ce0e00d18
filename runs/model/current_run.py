"""Which run the code that runs now works for: what is logged on its way names it."""

from contextvars import ContextVar
from typing import Final

CURRENT_RUN: Final[ContextVar[str | None]] = ContextVar("coding_agent_run", default=None)
"""Set within a drive; tasks and threads that it starts inherit it."""
