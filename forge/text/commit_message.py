"""What a commit says: what was done and why, and whose run it was."""

import re
import textwrap
from collections.abc import Iterator
from typing import Final

from forge.text import pull_request
from forge.text.sanitize_markdown import line, paragraphs
from graph import Publication

WIDTH: Final = 72
_MAX_SUMMARY: Final = 8_000
_MAX_LINE: Final = 400
_SAMPLE_TITLE: Final = "Change what was asked for"
_SAMPLE_SUMMARY: Final = "The change does what was asked for, and a test holds it."
_ITEM: Final = re.compile(r"[ ]{0,3}(?:[-*+]|\d{1,3}[.)])[ ]+")
_FENCE: Final = re.compile(r"[ ]{0,3}(?:```|~~~)")


def commit_message(publication: Publication) -> str:
    """A subject, what was done and why, and trailers; each line as `git log` has room for it.

    A title that is too long for a subject is whole in the text. What was run, what was not and what
    is left belongs to the pull request.
    """
    title = pull_request.title(publication)
    subject = _subject(title)
    summary = paragraphs(_wrap(publication.change.summary[: 2 * _MAX_SUMMARY]), _MAX_SUMMARY)
    trailers = [_run_trailer(publication.run_id)]
    if requested_by := line(publication.requested_by, _MAX_LINE):
        trailers.append(f"Requested-by: {requested_by}")
    parts = (subject, "" if subject == title else _wrap(title), summary, "\n".join(trailers))
    return "\n\n".join(part for part in parts if part)


def sample_message(asked_title: str | None, run_id: str) -> str:
    """A message like the run's, before anything of it but the caller's title is known."""
    first = _subject(line(asked_title or "", pull_request.MAX_TITLE) or _SAMPLE_TITLE)
    return "\n\n".join((first, _SAMPLE_SUMMARY, _run_trailer(run_id)))


def _run_trailer(run_id: str) -> str:
    return f"Coding-Agent-Run: {line(run_id, _MAX_LINE)}"


def _subject(title: str) -> str:
    """The title, or as many of its words as there is room for."""
    if len(title) <= WIDTH:
        return title
    words = title[:WIDTH].rpartition(" ")[0].rstrip(" ,;:-") or title[: WIDTH - 1]
    return f"{words[: WIDTH - 1]}…"


def _wrap(text: str) -> str:
    """The text with its long lines broken between words, but for blocks of code."""
    return "\n".join(_wrapped_lines(text))


def _wrapped_lines(text: str) -> Iterator[str]:
    in_code = False
    for row in text.splitlines():
        fence = _FENCE.match(row) is not None
        in_code ^= fence
        if fence or in_code or len(row) <= WIDTH or row.startswith(("    ", "\t")):
            yield row
            continue
        item = _ITEM.match(row)
        yield from textwrap.wrap(
            row,
            WIDTH,
            subsequent_indent=" " * len(item[0]) if item else "",
            break_long_words=False,
            break_on_hyphens=False,
        )
