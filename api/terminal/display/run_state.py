"""Where a run is, folded from its events: what the drawing's foot shows."""

import time
from dataclasses import dataclass, field
from typing import Final, Literal

from api.terminal.display.tool_label import tool_label
from api.terminal.text.human_units import seconds_of
from api.terminal.text.token_counts import Tokens
from api.terminal.text.untrusted_fields import Fields
from graph import NODE_NAMES

NodeMark = Literal["todo", "now", "done", "bad", "open"]
_MARKS: Final[dict[str, NodeMark]] = {
    "failed": "bad",
    "error": "bad",
    "rejected": "bad",
    "request_changes": "open",
    "unavailable": "open",
    "stopped": "open",
    "revised": "open",
}


@dataclass
class DisplayState:
    """The newest known state of one run."""

    run_id: str = ""
    repository: str = ""
    """Its address, or the path of a checkout."""
    status: str = ""
    nodes: dict[str, NodeMark] = field(default_factory=lambda: dict.fromkeys(NODE_NAMES, "todo"))
    node: str = ""
    visit: int = 0
    role: str = ""
    models: dict[str, str] = field(default_factory=dict)
    tools: dict[str, str] = field(default_factory=dict)
    """Labels of the tools that work, by call."""
    thinking: bool = False
    waiting: bool = False
    final: bool = False
    tokens: Tokens = field(default_factory=Tokens)
    cost_usd: float | None = 0.0
    _started: float | None = None
    _last: float | None = None
    _received: float = 0.0
    _tools_since: float = 0.0

    def apply(self, event: Fields) -> None:
        """Take one event in; an unknown type moves only the clock."""
        self.run_id = event.line("runId") or self.run_id
        self.repository = event.line("repoUrl") or self.repository
        self._clock(event)
        kind = event.line("type")
        self.thinking = kind == "role.thinking"
        if kind.startswith("node."):
            self._node(kind, event)
        elif kind.startswith(("role.", "tool.")):
            self._role(kind, event)
        elif kind.startswith("run."):
            self._run(kind, event)
        elif kind == "usage":
            self.role = event.line("role") or self.role
            self.models[self.role] = event.line("model")
            self.tokens.add(event)
            self.cost_usd = event.number("runCostUsd")
        elif kind == "plan.waiting":
            self.waiting = True

    @property
    def elapsed(self) -> float:
        """Seconds since the start, by the events' clock and, past the last one, by ours."""
        if self._started is None or self._last is None:
            return 0.0
        since = 0.0 if self.final else time.monotonic() - self._received
        return max(0.0, self._last - self._started + since)

    @property
    def tools_elapsed(self) -> float:
        """Seconds since the first of the tools that work now began."""
        return time.monotonic() - self._tools_since if self.tools else 0.0

    def _clock(self, event: Fields) -> None:
        at = seconds_of(event.line("time"))
        if at is not None:
            self._started = at if self._started is None else self._started
            self._last = at
        self._received = time.monotonic()

    def _run(self, kind: str, event: Fields) -> None:
        if kind == "run.finished":
            self.status, self.final, self.waiting = event.line("status"), True, False
            self.tools.clear()
            return
        self.status = {"run.queued": "queued"}.get(kind, "running")
        self.final = False
        models = event.inner("models")
        self.models |= {name: models.line(name) for name in models.names()}

    def _node(self, kind: str, event: Fields) -> None:
        node = event.line("node")
        if node not in self.nodes:
            return
        self.tools.clear()
        self.waiting = False
        if kind == "node.started":
            self.node, self.visit = node, event.whole("visit") or 1
            self.nodes[node] = "now"
            self.role = ""
        else:
            self.nodes[node] = _MARKS.get(event.line("outcome"), "done")

    def _role(self, kind: str, event: Fields) -> None:
        self.role = event.line("role") or self.role
        call = event.line("callId")
        if kind == "tool.started":
            if not self.tools:
                self._tools_since = time.monotonic()
            self.tools[call] = tool_label(event)
        elif kind == "tool.finished":
            self.tools.pop(call, None)
