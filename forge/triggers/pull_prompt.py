"""The request that a comment or a review of a pull request makes."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Final

from forge.core.conversations import ReviewWords
from forge.text.sanitize_markdown import strip_html_comments
from forge.triggers.act import Act
from forge.triggers.issue_prompt import without_words
from graph import MOST_COMMENTS, ReviewComment

SETTLED_S: Final = 10.0
"""A review and its comments are told of one by one; by then all of them are there."""
_MOST_CHARACTERS: Final = 40_000
_ON_COMMENTS: Final = (
    "Where a comment is not done as it asks, or leaves a question to its author, say so among what"
    " is unchecked, in a sentence or two that begin with its number, as in `Comment 1: …`."
)
_ROOM: Final = _MOST_CHARACTERS - len(_ON_COMMENTS) - 2
"""Characters of the words of a review."""


def read_review(
    act: Act, review: Sequence[ReviewWords], words: frozenset[str]
) -> tuple[ReviewWords, ...]:
    """What of a review asks for something, without what begins a command.

    Only words of the act's own author count, and nothing that was edited after the act.
    """
    theirs = (replace(each, body=_said(each.body, words)) for each in review if _counts(each, act))
    return tuple(each for each in theirs if each.body)


def comments_of(review: Sequence[ReviewWords]) -> tuple[ReviewComment, ...]:
    """A review as an event tells it."""
    return tuple(ReviewComment(path=each.path, line=each.line, text=each.body) for each in review)


def numbers_of(review: Sequence[ReviewWords]) -> list[int]:
    """The numbers of the comments that the request counts, in its order."""
    return [each.number for each in _numbered(review)]


def write_pull_prompt(
    act: Act, review: Sequence[ReviewWords], words: frozenset[str], *, counted: bool = False
) -> str:
    """The request: the review's, else the act's own; empty where nothing is asked.

    `counted`: comments at lines get numbers, so that what is said of one can be told in its thread.
    """
    if not act.review:
        return _said(act.text, words)[:_MOST_CHARACTERS]
    numbered = _numbered(review) if counted else []
    lines = [each for each in review if each.path]
    parts = [each.body for each in review if not each.path]
    parts += [_part(each, number) for number, each in enumerate(numbered, start=1)]
    parts += [_part(each) for each in lines[len(numbered) :]]
    asked = "\n\n".join(parts)[:_ROOM]
    return f"{asked}\n\n{_ON_COMMENTS}" if numbered else asked


def _counts(each: ReviewWords, act: Act) -> bool:
    return each.author == act.by and each.edited_at <= act.at + SETTLED_S


def _said(body: str, words: frozenset[str]) -> str:
    return without_words(strip_html_comments(body), words)


def _numbered(review: Sequence[ReviewWords]) -> list[ReviewWords]:
    """The first comments at lines, as many as the request holds whole."""
    room = _ROOM - sum(len(each.body) + 2 for each in review if not each.path)
    lines = [each for each in review if each.path][:MOST_COMMENTS]
    ends = accumulate(len(_part(each, n)) + 2 for n, each in enumerate(lines, start=1))
    return [each for each, end in zip(lines, ends, strict=True) if end - 2 <= room]


def _part(each: ReviewWords, number: int = 0) -> str:
    place = f"{each.path}:{each.line}" if each.line else each.path
    begin = f"Comment {number}, on" if number else "On"
    return f"{begin} {place}:\n{each.body}"
