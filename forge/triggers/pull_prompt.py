"""The request that a comment or a review of a pull request makes."""

from collections.abc import Sequence
from typing import Final

from forge.core.conversations import ReviewWords
from forge.text.sanitize_markdown import strip_html_comments
from forge.triggers.act import Act
from forge.triggers.issue_prompt import without_words
from graph import ReviewComment

SETTLED_S: Final = 10.0
"""A review and its comments are told of one by one; by then all of them are there."""
_MOST_CHARACTERS: Final = 40_000


def read_review(
    act: Act, review: Sequence[ReviewWords], words: frozenset[str]
) -> tuple[ReviewComment, ...]:
    """What a review asks for. Only words of the act's own author count.

    What was edited after the act does not count.
    """
    said = (
        ReviewComment(path=each.path, line=each.line, text=_said(each.body, words))
        for each in review
        if _counts(each, act)
    )
    return tuple(each for each in said if each.text)


def write_pull_prompt(act: Act, review: Sequence[ReviewComment], words: frozenset[str]) -> str:
    """The request: the review's, else the act's own; empty where nothing is asked."""
    parts = [_part(each) for each in review] if act.review else [_said(act.text, words)]
    return "\n\n".join(part for part in parts if part)[:_MOST_CHARACTERS]


def _counts(each: ReviewWords, act: Act) -> bool:
    return each.author == act.by and each.edited_at <= act.at + SETTLED_S


def _said(body: str, words: frozenset[str]) -> str:
    return without_words(strip_html_comments(body), words)


def _part(each: ReviewComment) -> str:
    if not each.path:
        return each.text
    place = f"{each.path}:{each.line}" if each.line else each.path
    return f"On {place}:\n{each.text}"
