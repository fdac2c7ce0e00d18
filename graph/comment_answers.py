"""Answers to comments of a review, among the lines that say what of a change is open."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

MOST_COMMENTS: Final = 50
"""Comments of a review that a request gives numbers to, from 1."""
_NAMED: Final = re.compile(r"(?i)^comment (\d{1,3})\s*:\s*(\S.*)$", re.DOTALL)


def read_answers(unchecked: Iterable[str]) -> Mapping[int, str]:
    """What is said of single comments, by their numbers."""
    return {number: text for number, text, _ in _find(unchecked)}


def answer_lines(unchecked: Iterable[str]) -> Mapping[int, str]:
    """The newest line of each comment that is answered, by its number."""
    return {number: line for number, _, line in _find(unchecked)}


def with_answers(unchecked: Iterable[str], more: Iterable[str]) -> tuple[str, ...]:
    """Lines, and of `more` the answers to comments that they do not answer."""
    lines = tuple(unchecked)
    answered = answer_lines(lines)
    others = answer_lines(more).items()
    return (*lines, *(line for number, line in others if number not in answered))


def _find(unchecked: Iterable[str]) -> Iterable[tuple[int, str, str]]:
    for line in unchecked:
        if (found := _NAMED.match(line)) and 1 <= int(found[1]) <= MOST_COMMENTS:
            yield int(found[1]), found[2].strip(), line
