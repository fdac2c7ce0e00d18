"""A run told in lines, event by event. Every drawing tells the same story."""

from collections.abc import Callable
from typing import Final, Literal

from api.terminal.display.act_lines import ACTS
from api.terminal.display.edit_hunk import hunk_lines
from api.terminal.display.environment_lines import (
    baseline_lines,
    environment_lines,
    proof_lines,
)
from api.terminal.display.result_lines import (
    change_lines,
    end_lines,
    gate_lines,
    plan_lines,
    pr_lines,
    review_lines,
    validation_lines,
)
from api.terminal.display.run_state import DisplayState
from api.terminal.display.tool_label import tool_label
from api.terminal.text.human_units import duration, plural
from api.terminal.text.line_wrapper import StreamingLineWrapper
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


class EventLines:
    """Folds a run's events into lines; `picture` is the newest state, `width` the lines' width.

    Lines below a node stand under its name, which is told with the first of them: a node that had
    nothing to say is one line.
    """

    def __init__(self, width: int) -> None:
        self.state = DisplayState()
        self.width = width
        self._text_wrapper = StreamingLineWrapper(width - _INDENT)
        self._thinking_wrapper = StreamingLineWrapper(width - _INDENT)
        self._speaking_role = ""
        self._node_line: Line | None = None
        self._calls: dict[str, Fields] = {}
        self._last: Literal["nothing", "line", "block"] = "nothing"
        self._renderers: dict[str, Callable[[Fields], list[Line]]] = {
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

    def render(self, data: object) -> list[Line]:
        """The lines of one event; an unknown type has none."""
        event = Fields(data)
        kind = event.line("type")
        self._text_wrapper.width = self._thinking_wrapper.width = self.width - _INDENT
        lines = [] if kind == "role.text" else self._flush_text()
        if kind != "role.thinking":
            self._thinking_wrapper.flush()
        self.state.apply(event)
        if renderer := self._renderers.get(kind):
            return lines + renderer(event)
        if result := _RESULTS.get(kind):
            return lines + self._indent_under_node(result(event))
        return lines

    @property
    def saying(self) -> str:
        """The unfinished line of what the role says or thinks now."""
        return (self._thinking_wrapper if self.state.thinking else self._text_wrapper).rest.strip()

    def _queued(self, event: Fields) -> list[Line]:
        position = event.whole("position")
        text = f"queued, position {position}" if position else "queued"
        return self._note_line([Line(text, tone="dim")])

    def _started(self, event: Fields) -> list[Line]:
        again = (event.whole("attempt") or 1) > 1
        if again:
            return []
        title = self._with_blank_line(_title(event))
        self._last = "block"
        return title

    def _resumed(self, event: Fields) -> list[Line]:
        self._node_line = None
        parts = ("resumed", event.line("reason"), f"attempt {event.whole('attempt') or '?'}")
        return self._with_blank_line([Line(" · ".join(part for part in parts if part), tone="dim")])

    def _finished(self, event: Fields) -> list[Line]:
        self._node_line = None
        state = self.state
        lines = end_lines(event, state.tokens, state.elapsed, state.repository)
        return self._with_blank_line(lines)

    def _node_started(self, event: Fields) -> list[Line]:
        self._calls.clear()
        self._node_line = Line(_node_name(event), mark="open", tone="strong")
        return []

    def _node_finished(self, event: Fields) -> list[Line]:
        outcome = event.line("outcome")
        said = _SAID.get(outcome, outcome.replace("_", " "))
        text = "  ".join(part for part in (_node_name(event), said) if part)
        mark = _NODE_MARKS.get(outcome, "warn")
        line = Line(text, mark=mark, right=_duration_of(event), tone="strong")
        notes = [Line(note, indent=2, tone="dim") for note in event.lines("notes")]
        if self._node_line:
            self._node_line = None
            lines = [line, *notes]
            return self._with_blank_line(lines) if self._last == "block" else self._note_line(lines)
        self._last = "block"
        return [line, *notes]

    def _text(self, event: Fields) -> list[Line]:
        role = event.line("role")
        lines = self._flush_text() if role != self._speaking_role else []
        self._speaking_role = role
        return lines + self._indent_under_node(
            _spoken_lines(self._text_wrapper.feed(event.text("text")))
        )

    def _thinking(self, event: Fields) -> list[Line]:
        self._thinking_wrapper.feed(event.text("text"))
        return []

    def _tool_started(self, event: Fields) -> list[Line]:
        self._calls[event.line("callId")] = event
        return []

    def _tool_finished(self, event: Fields) -> list[Line]:
        call = self._calls.pop(event.line("callId"), event)
        code, ok = event.whole("exitCode"), event.flag("ok")
        bad = f"exit {code}" if code else "" if ok else "failed"
        hunk, counts = ([], "") if bad else hunk_lines(call, 4)
        head = Line(
            tool_label(call),
            indent=2,
            right=" · ".join(filter(None, (bad or counts, _duration_of(event)))),
            tone="dim",
            right_tone="warn" if bad else "dim",
            wrap=False,
        )
        output = event.text("output")
        if bad:
            return self._indent_under_node([head, *tail(output, _BAD_OUTPUT, 4)])
        shell = call.line("tool") == "bash"
        below = tail(output, _OK_OUTPUT, 4) if shell else hunk
        return self._indent_under_node([head, *below])

    def _flush_text(self) -> list[Line]:
        """What was said and not yet shown, because its line was not full."""
        return self._indent_under_node(_spoken_lines(self._text_wrapper.flush()))

    def _indent_under_node(self, lines: list[Line]) -> list[Line]:
        """Lines of the node that works now, under its name."""
        if not lines or not self._node_line:
            return lines
        node_line, self._node_line = self._node_line, None
        return self._with_blank_line([node_line, *lines])

    def _with_blank_line(self, lines: list[Line]) -> list[Line]:
        """Lines below an empty one."""
        return self._note_line(lines if self._last == "nothing" else [BLANK, *lines])

    def _note_line(self, lines: list[Line]) -> list[Line]:
        self._last = "line"
        return lines


def _spoken_lines(lines: list[str]) -> list[Line]:
    return [Line(line, indent=2, wrap=False) for line in lines]


def _duration_of(event: Fields) -> str:
    return duration((event.number("durationMs") or 0) / 1000)


def _node_name(event: Fields) -> str:
    visit = event.whole("visit") or 1
    return f"{event.line('node')} ({visit})" if visit > 1 else event.line("node")


def _title(event: Fields) -> list[Line]:
    place = event.line("pullRequest") or event.line("repoUrl")
    repository = place.removeprefix("https://")
    branch, sha = event.line("baseBranch"), event.line("baseSha")[:8]
    base = " at ".join(part for part in (branch, sha) if part)
    where = " · ".join(part for part in (repository, base) if part)
    prompt = event.text("prompt").strip().splitlines() or [""]
    more = f" (+{plural(len(prompt) - 1, 'line')})" if len(prompt) > 1 else ""
    return [
        Line(" ".join(prompt[0].split()) + more, tone="strong"),
        Line(where, tone="dim"),
        Line(f"run {event.line('runId')}", tone="dim"),
        *(_cost_unknown(models) if (models := event.lines("unpriced")) else ()),
    ]


def _cost_unknown(models: list[str]) -> list[Line]:
    text = f"cost unknown: no price of {', '.join(models)}; tokens alone are held to a limit"
    return [Line(text, indent=2, mark="warn", tone="warn")]


def _plan_waiting(_: Fields) -> list[Line]:
    return [Line("the plan waits for an answer", indent=2, mark="warn", tone="warn")]


def _retry(event: Fields) -> list[Line]:
    wait = duration((event.number("waitMs") or 0) / 1000)
    text = f"{event.line('what')}: {event.line('reason')}, again in {wait}"
    return [Line(text, indent=2, mark="warn", tone="warn")]


_RESULTS: Final[dict[str, Callable[[Fields], list[Line]]]] = {
    **ACTS,
    "plan.ready": lambda event: plan_lines(event.inner("plan")),
    "plan.waiting": _plan_waiting,
    "environment.ready": environment_lines,
    "baseline.finished": baseline_lines,
    "proof.finished": proof_lines,
    "change.updated": change_lines,
    "validation.finished": validation_lines,
    "review.finished": review_lines,
    "gate.finished": gate_lines,
    "retry": _retry,
    "pr.created": lambda event: pr_lines(event, "opened"),
    "pr.updated": lambda event: pr_lines(event, "updated"),
}
