"""A run told in lines, event by event. Every drawing tells the same story."""

from collections.abc import Callable
from typing import Final, Literal

from api.terminal.display.result_lines import (
    change_lines,
    end_lines,
    gate_lines,
    plan_lines,
    pr_lines,
    review_lines,
    validation_lines,
)
from api.terminal.display.run_state import RunPicture
from api.terminal.display.tool_label import tool_label
from api.terminal.text.human_units import duration, plural
from api.terminal.text.line_wrapper import Speech
from api.terminal.text.styled_line import BLANK, Line, Mark, tail
from api.terminal.text.untrusted_fields import Fields

_INDENT: Final = 2
_OK_OUTPUT: Final = 2
_BAD_OUTPUT: Final = 8
_NODE_MARKS: Final[dict[str, Mark]] = {
    "ok": "good",
    "passed": "good",
    "approved": "good",
    "no_changes": "good",
    "failed": "bad",
    "error": "bad",
    "rejected": "bad",
}
_SAID: Final = {"ok": "", "request_changes": "changes are asked for", "no_changes": "nothing to do"}


class Narration:
    """Folds a run's events into lines; `picture` is the newest state, `width` the lines' width.

    Lines below a node stand under its name, which is told with the first of them: a node that had
    nothing to say is one line.
    """

    def __init__(self, width: int) -> None:
        self.picture = RunPicture()
        self.width = width
        self._speech = Speech(width - _INDENT)
        self._thought = Speech(width - _INDENT)
        self._speaker = ""
        self._heading: Line | None = None
        self._calls: dict[str, Fields] = {}
        self._last: Literal["nothing", "line", "block"] = "nothing"
        self._tellers: dict[str, Callable[[Fields], list[Line]]] = {
            "run.queued": self._queued,
            "run.started": self._started,
            "run.resumed": self._resumed,
            "run.finished": self._finished,
            "node.started": self._node_started,
            "node.finished": self._node_finished,
            "role.text": self._text,
            "role.thinking": self._thinking,
            "tool.started": self._tool_started,
            "tool.finished": self._tool_finished,
        }

    def tell(self, data: object) -> list[Line]:
        """The lines of one event; an unknown type has none."""
        event = Fields(data)
        kind = event.line("type")
        self._speech.width = self._thought.width = self.width - _INDENT
        lines = [] if kind == "role.text" else self._paragraph()
        if kind != "role.thinking":
            self._thought.flush()
        self.picture.apply(event)
        if teller := self._tellers.get(kind):
            return lines + teller(event)
        if result := _RESULTS.get(kind):
            return lines + self._below(result(event))
        return lines

    @property
    def saying(self) -> str:
        """The unfinished line of what the role says or thinks now."""
        return (self._thought if self.picture.thinking else self._speech).rest.strip()

    def _queued(self, event: Fields) -> list[Line]:
        position = event.whole("position")
        text = f"queued, position {position}" if position else "queued"
        return self._told([Line(text, tone="dim")])

    def _started(self, event: Fields) -> list[Line]:
        again = (event.whole("attempt") or 1) > 1
        if again:
            return []
        title = self._apart(_title(event))
        self._last = "block"
        return title

    def _resumed(self, event: Fields) -> list[Line]:
        self._heading = None
        parts = ("resumed", event.line("reason"), f"attempt {event.whole('attempt') or '?'}")
        return self._apart([Line(" · ".join(part for part in parts if part), tone="dim")])

    def _finished(self, event: Fields) -> list[Line]:
        self._heading = None
        picture = self.picture
        return self._apart(end_lines(event, picture.tokens, picture.elapsed))

    def _node_started(self, event: Fields) -> list[Line]:
        self._calls.clear()
        self._heading = Line(_node_name(event), mark="open", tone="strong")
        return []

    def _node_finished(self, event: Fields) -> list[Line]:
        outcome = event.line("outcome")
        said = _SAID.get(outcome, outcome.replace("_", " "))
        text = "  ".join(part for part in (_node_name(event), said) if part)
        mark = _NODE_MARKS.get(outcome, "warn")
        line = Line(text, mark=mark, right=_took(event), tone="strong")
        if self._heading:
            self._heading = None
            return self._apart([line]) if self._last == "block" else self._told([line])
        self._last = "block"
        return [line]

    def _text(self, event: Fields) -> list[Line]:
        role = event.line("role")
        lines = self._paragraph() if role != self._speaker else []
        self._speaker = role
        return lines + self._below(_said(self._speech.feed(event.text("text"))))

    def _thinking(self, event: Fields) -> list[Line]:
        self._thought.feed(event.text("text"))
        return []

    def _tool_started(self, event: Fields) -> list[Line]:
        self._calls[event.line("callId")] = event
        return []

    def _tool_finished(self, event: Fields) -> list[Line]:
        call = self._calls.pop(event.line("callId"), event)
        code, ok = event.whole("exitCode"), event.flag("ok")
        bad = f"exit {code}" if code else "" if ok else "failed"
        head = Line(
            tool_label(call),
            indent=2,
            right=f"{bad} · {_took(event)}" if bad else _took(event),
            tone="dim",
            right_tone="warn" if bad else "dim",
            wrap=False,
        )
        output = event.text("output")
        if bad:
            return self._below([head, *tail(output, _BAD_OUTPUT, 4)])
        shell = call.line("tool") == "bash"
        return self._below([head, *(tail(output, _OK_OUTPUT, 4) if shell else [])])

    def _paragraph(self) -> list[Line]:
        """What was said and not yet shown, because its line was not full."""
        return self._below(_said(self._speech.flush()))

    def _below(self, lines: list[Line]) -> list[Line]:
        """Lines of the node that works now, under its name."""
        if not lines or not self._heading:
            return lines
        heading, self._heading = self._heading, None
        return self._apart([heading, *lines])

    def _apart(self, lines: list[Line]) -> list[Line]:
        """Lines below an empty one."""
        return self._told(lines if self._last == "nothing" else [BLANK, *lines])

    def _told(self, lines: list[Line]) -> list[Line]:
        self._last = "line"
        return lines


def _said(lines: list[str]) -> list[Line]:
    return [Line(line, indent=2, wrap=False) for line in lines]


def _took(event: Fields) -> str:
    return duration((event.number("durationMs") or 0) / 1000)


def _node_name(event: Fields) -> str:
    visit = event.whole("visit") or 1
    return f"{event.line('node')} ({visit})" if visit > 1 else event.line("node")


def _title(event: Fields) -> list[Line]:
    repository = event.line("repoUrl").removeprefix("https://")
    branch, sha = event.line("baseBranch"), event.line("baseSha")[:8]
    base = " at ".join(part for part in (branch, sha) if part)
    where = " · ".join(part for part in (repository, base) if part)
    prompt = event.text("prompt").strip().splitlines() or [""]
    more = f" (+{plural(len(prompt) - 1, 'line')})" if len(prompt) > 1 else ""
    return [
        Line(" ".join(prompt[0].split()) + more, tone="strong"),
        Line(where, tone="dim"),
        Line(f"run {event.line('runId')}", tone="dim"),
    ]


def _plan_waiting(_: Fields) -> list[Line]:
    return [Line("the plan waits for an answer", indent=2, mark="warn", tone="warn")]


def _retry(event: Fields) -> list[Line]:
    wait = duration((event.number("waitMs") or 0) / 1000)
    text = f"{event.line('what')}: {event.line('reason')}, again in {wait}"
    return [Line(text, indent=2, mark="warn", tone="warn")]


_RESULTS: Final[dict[str, Callable[[Fields], list[Line]]]] = {
    "plan.ready": lambda event: plan_lines(event.inner("plan")),
    "plan.waiting": _plan_waiting,
    "change.updated": change_lines,
    "validation.finished": validation_lines,
    "review.finished": review_lines,
    "gate.finished": gate_lines,
    "retry": _retry,
    "pr.created": lambda event: pr_lines(event, "opened"),
    "pr.updated": lambda event: pr_lines(event, "updated"),
}
