"""What people did to a run or said of it, and what became of their messages, as lines."""

from collections.abc import Callable
from typing import Final

from api.terminal.text.human_units import duration, money
from api.terminal.text.styled_line import Line
from api.terminal.text.untrusted_fields import Fields

_DECISIONS: Final = {
    "approve": "approved the plan",
    "revise": "asks for another plan",
    "reject": "rejected the plan",
}
_STATES: Final = {"queued": "waits to be read", "answered": "answered"}


def _answered_plan(event: Fields) -> list[Line]:
    decision = event.line("decision")
    said = f"{event.line('by')} {_DECISIONS.get(decision, decision)}"
    feedback = event.line("feedback")
    return [Line(f"{said}: {feedback}" if feedback else said, indent=2)]


def _cancelled(event: Fields) -> list[Line]:
    return [Line(f"{event.line('by')} asked to cancel the run", indent=2, tone="warn")]


def _raised(event: Fields) -> list[Line]:
    cost, rounds = event.number("maxCostUsd"), event.whole("maxFixRounds")
    seconds = event.number("timeoutS")
    limits = (
        f"{money(cost)} in all" if cost is not None else "",
        f"{rounds} fix rounds" if rounds is not None else "",
        duration(seconds) if seconds is not None else "",
    )
    return [Line(f"{event.line('by')} set the limits: {', '.join(filter(None, limits))}", indent=2)]


def _received(event: Fields) -> list[Line]:
    text = f"message {event.whole('number')} of {event.line('by')}  {event.line('text')}"
    return [Line(text, indent=2, mark="open", right="queued")]


def _read(event: Fields) -> list[Line]:
    text = f"message {event.whole('number')} read by the {event.line('role')}"
    return [Line(text, indent=2, tone="dim")]


def _answered(event: Fields) -> list[Line]:
    text = f"message {event.whole('number')} answered by the {event.line('role')}"
    return [Line(text, indent=2, tone="dim")]


def _reviewed(event: Fields) -> list[Line]:
    lines = [Line(f"{event.line('by')} reviewed the pull request", indent=2, mark="open")]
    for comment in event.each("comments"):
        path, number = comment.line("path"), comment.whole("line")
        place = (f"{path}:{number}" if number else path) or "in all"
        lines.append(Line(f"{place}  {comment.line('text')}", indent=4))
    return lines


def _failed(event: Fields) -> list[Line]:
    head = event.line("head")[:10]
    lines = [Line(f"checks of the pull request failed on {head}", indent=2, mark="bad")]
    for job in event.each("jobs"):
        text = "  ".join(filter(None, (job.line("name"), job.line("url"))))
        lines.append(Line(text, indent=4))
    return lines


def message_lines(run: Fields, indent: int = 2) -> list[Line]:
    """The messages of a run, each with its state."""
    lines = []
    for message in run.each("messages"):
        state = message.line("state")
        said = (
            f"read by the {message.line('role')}" if state == "read" else _STATES.get(state, state)
        )
        text = f"{message.line('by')}  {message.line('text')}"
        lines.append(Line(text, indent=indent, right=said))
    return lines


ACTS: Final[dict[str, Callable[[Fields], list[Line]]]] = {
    "plan.answered": _answered_plan,
    "cancel.requested": _cancelled,
    "limits.raised": _raised,
    "message.received": _received,
    "message.read": _read,
    "message.answered": _answered,
    "review.received": _reviewed,
    "check.failed": _failed,
}
