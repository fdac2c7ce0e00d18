"""The request that a comment or a review of a pull request makes."""

from collections.abc import Sequence
from typing import Final

from forge.core.conversations import ReviewWords
from forge.text.sanitize_markdown import strip_html_comments
from forge.triggers.act import Act
from forge.triggers.issue_prompt import without_words

SETTLED_S: Final = 10.0
"""A review and its comments are told of one by one; by then all of them are there."""
_MOST_CHARACTERS: Final = 40_000


def write_pull_prompt(act: Act, review: Sequence[ReviewWords], words: frozenset[str]) -> str:
    """The request; empty where nothing is asked. Only words of the act's own author count.

    What was edited after the act does not count.
    """
    parts = [_part(each, words) for each in review if _counts(each, act)]
    if not review:
        parts.append(without_words(strip_html_comments(act.text), words))
    return "\n\n".join(part for part in parts if part)[:_MOST_CHARACTERS]


def _counts(each: ReviewWords, act: Act) -> bool:
    return each.author == act.by and each.edited_at <= act.at + SETTLED_S


def _part(each: ReviewWords, words: frozenset[str]) -> str:
    said = without_words(strip_html_comments(each.body), words)
    if not said or not each.path:
        return said
    place = f"{each.path}:{each.line}" if each.line else each.path
    return f"On {place}:\n{said}"
