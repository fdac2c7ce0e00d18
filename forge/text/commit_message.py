"""What a commit says: what was done and why, and whose run it was."""

import re
import textwrap
from collections.abc import Iterator
from typing import Final

from forge.text import pull_request
from forge.text.conventions import NO_CONVENTIONS, Conventions, follow
from forge.text.sanitize_markdown import BREAK, line, paragraphs
from forge.text.sections import join
from graph import Publication

WIDTH: Final = 72
_MAX_SUMMARY: Final = 8_000
_MAX_LINE: Final = 400
_SAMPLE_TITLE: Final = "Change what was asked for"
_SAMPLE_SUMMARY: Final = "The change does what was asked for, and a test holds it."
_SAMPLE_TICKET: Final = "ABC-1"
_TRAILER: Final = re.compile(r"\A((?:#[^\n]*\n)*[A-Za-z0-9-]+)([ \t]*:(?!//))")
_ITEM: Final = re.compile(r"[ ]{0,3}(?:[-*+]|\d{1,3}[.)])[ ]+")
_FENCE: Final = re.compile(r"[ ]{0,3}(?:`{3,}(?=[^`]*\Z)|~~~)")


def commit_message(
    publication: Publication, conventions: Conventions = NO_CONVENTIONS, sign_off: str = ""
) -> str:
    """A subject, what was done and why, and trailers; each line as `git log` has room for it.

    `sign_off` is the `Name <email>` of `Signed-off-by`, where the base's commits have that.

    A title that is too long for a subject is whole in the text. What was run, what was not and what
    is left belongs to the pull request.
    """
    title = pull_request.title(publication, conventions)
    subject = _subject(title)
    summary = (
        ""
        if _tells_of_more(publication)
        else paragraphs(_wrap(publication.change.summary[: 2 * _MAX_SUMMARY]), _MAX_SUMMARY)
    )
    text = join("" if subject == title else _wrap(title), summary)
    trailers = [_signed_off(conventions, sign_off)]
    if requested_by := line(publication.requested_by, _MAX_LINE):
        trailers.insert(0, f"Requested-by: {requested_by}")
    return join(subject, _without_trailers(text), "\n".join(filter(None, trailers)))


def _tells_of_more(publication: Publication) -> bool:
    """Whether the summary is that of a whole pull request, of which this is one commit."""
    pull = publication.base.pull
    return pull is not None and pull.ours


def sample_message(asked_title: str | None, conventions: Conventions, sign_off: str) -> str:
    """A message like the run's, before anything of it but the caller's title is known."""
    asked = line(asked_title or "", pull_request.MAX_TITLE)
    first = _subject(asked or follow(conventions, _SAMPLE_TITLE, (), _SAMPLE_TICKET))
    return join(first, _SAMPLE_SUMMARY, _signed_off(conventions, sign_off))


def _signed_off(conventions: Conventions, sign_off: str) -> str:
    return f"Signed-off-by: {sign_off}" if conventions.signed_off and sign_off else ""


def _without_trailers(text: str) -> str:
    """The text, whose last paragraph git takes for no trailers."""
    before, blank, last = text.rpartition("\n\n")
    broken = _TRAILER.sub(rf"\1{BREAK}\2", last, count=1)
    return f"{before}{blank}{broken}"


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
