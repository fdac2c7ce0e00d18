"""What a call of the editor changed, as the coloured lines of a hunk."""

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Final

from api.terminal.text.styled_line import Line, Tone
from api.terminal.text.untrusted_fields import Fields

EDITOR: Final = "str_replace_based_edit_tool"
_MOST_LINES: Final = 12
_MOST_PAIRS: Final = 10_000
"""Lines of before times lines of after that are compared; more are told as removed and added."""
_TONES: Final[dict[str, Tone]] = {"+": "good", "-": "bad", " ": "dim"}

_Signed = tuple[str, str]
"""A line behind its sign: `+`, `-` or a space."""


def hunk_lines(call: Fields, indent: int) -> tuple[list[Line], str]:
    """The hunk of a `tool.started`, and its counts as `+3 -1`; nothing where it edits nothing."""
    signed = list(_changed(call))
    if not signed:
        return [], ""
    added, removed = (sum(sign == kind for sign, _ in signed) for kind in "+-")
    changed = [at for at, (sign, _) in enumerate(signed) if sign != " "] or [0]
    shown = signed[max(changed[0] - 1, 0) : changed[-1] + 2]
    lines = [
        Line(f"{sign} {text}".rstrip(), indent=indent, tone=_TONES[sign], wrap=False)
        for sign, text in shown[:_MOST_LINES]
    ]
    if len(shown) > _MOST_LINES:
        more = f"… {len(shown) - _MOST_LINES} more lines"
        lines.append(Line(more, indent=indent, tone="dim"))
    return lines, f"+{added} -{removed}"


def _changed(call: Fields) -> Iterator[_Signed]:
    given = call.inner("input")
    if call.line("tool") != EDITOR or not given.line("path"):
        return
    command = given.line("command")
    if command == "str_replace":
        yield from _compare(_split(given.text("old_str")), _split(given.text("new_str")))
    elif command == "create":
        yield from (("+", line) for line in _split(given.text("file_text")))
    elif command == "insert":
        text = given.text("insert_text") or given.text("new_str")  # the tool takes both names
        yield from (("+", line) for line in _split(text))


def _split(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n") if text else []


def _compare(before: Sequence[str], after: Sequence[str]) -> Iterator[_Signed]:
    if len(before) * len(after) > _MOST_PAIRS:
        yield from (("-", line) for line in before)
        yield from (("+", line) for line in after)
        return
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for kind, start, end, new_start, new_end in matcher.get_opcodes():
        if kind == "equal":
            yield from ((" ", line) for line in before[start:end])
            continue
        yield from (("-", line) for line in before[start:end])
        yield from (("+", line) for line in after[new_start:new_end])
