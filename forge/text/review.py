"""What a review of a pull request says: its verdict, and its findings beside the lines."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from forge.core.forge import LineComment
from forge.text.sanitize_markdown import code, line, paragraphs
from forge.text.sections import join
from graph import Finding, Review

MOST_COMMENTS: Final = 50
_MAX_SUMMARY: Final = 8_000
_MAX_FINDING: Final = 2_000
_MAX_LINE: Final = 400
_MAX_CODE: Final = 300
_MOST_LISTED: Final = 40
_HUNK: Final = re.compile(rb"@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_PATH: Final = b"+++ b/"
_VERDICTS: Final = {
    "approve": "The reviewer found nothing that must be fixed.",
    "request_changes": "The reviewer asks for changes.",
}

Lines = Mapping[str, Sequence[range]]
"""Lines of new files, by their paths."""


def lines_of(diff: bytes) -> dict[str, list[range]]:
    """The lines that a diff shows of each file as it is after it; a quoted path has none."""
    found: dict[str, list[range]] = {}
    path, old, new = "", 0, 0
    for row in diff.split(b"\n"):
        if old > 0 or new > 0:
            old -= row[:1] in (b" ", b"-", b"")
            new -= row[:1] in (b" ", b"+", b"")
        elif row.startswith(b"+++ "):
            named = row.startswith(_PATH)
            path = row.removeprefix(_PATH).decode(errors="replace").rstrip("\t") if named else ""
        elif path and (hunk := _HUNK.match(row)):
            old, begin, new = (int(number) if number else 1 for number in hunk.groups())
            found.setdefault(path, []).append(range(begin, begin + new))
    return found


def line_comments(review: Review, shown: Lines) -> tuple[LineComment, ...]:
    """The findings that lie at a line which the diff shows."""
    return tuple(
        LineComment(each.path, each.line, _text(each))
        for each in review.findings
        if each.line and _is_shown(each, shown)
    )[:MOST_COMMENTS]


def review_body(review: Review, listed: Sequence[Finding], run_id: str) -> str:
    """The review's text, with the findings that no line comment tells."""
    items = [f"- {_place(each)}{line(_text(each), _MAX_FINDING)}" for each in listed[:_MOST_LISTED]]
    if more := len(listed) - len(items):
        items.append(f"- … and {more} more")
    origin = f"Reviewed by a coding agent in run {code(run_id, _MAX_CODE)}. It ran no checks first."
    return join(
        _VERDICTS[review.verdict],
        paragraphs(review.summary, _MAX_SUMMARY),
        "\n".join(items),
        f"---\n{origin}\n{mark(run_id)}",
    )


def mark(run_id: str) -> str:
    """What a review is found again by; nobody sees it."""
    return f"<!-- coding-agent-review: {line(run_id, _MAX_LINE)} -->"


def _is_shown(finding: Finding, shown: Lines) -> bool:
    return any(finding.line in lines for lines in shown.get(finding.path, ()))


def _text(finding: Finding) -> str:
    return f"**{finding.severity}**: {paragraphs(finding.message, _MAX_FINDING)}"


def _place(finding: Finding) -> str:
    place = finding.path + (f":{finding.line}" if finding.line else "")
    return f"{code(place, _MAX_CODE)} " if place else ""
