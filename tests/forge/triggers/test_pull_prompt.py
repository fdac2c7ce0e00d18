"""Which comments of a review get a number: those that the request holds whole."""

import re

import pytest

from forge.core.conversations import ReviewWords
from forge.triggers import Act, numbers_of, write_pull_prompt

ACT = Act(
    key="1",
    kind="review",
    repo="o/r",
    number=7,
    by="ada",
    at=0,
    review=900,
    is_pull=True,
    place="review_comment",
    place_number=1,
)


def comment(number: int, body: str) -> ReviewWords:
    return ReviewWords("ada", body, 0, number=number, path="a.py", line=number)


def prompt_of(*review: ReviewWords, counted: bool = True) -> str:
    return write_pull_prompt(ACT, review, frozenset(), counted=counted)


@pytest.mark.parametrize("size", [1, 1_500, 30_000, 39_600])
def test_each_number_that_is_given_stands_for_a_whole_comment(size: int) -> None:
    review = [comment(100 + n, f"{n}: {'w' * size}!") for n in range(60)]
    prompt = prompt_of(*review)
    given = re.findall(r"Comment (\d+), on a\.py:\d+:\n(\d+: w+!)\n", prompt)
    assert numbers_of(review) == [each.number for each in review[: len(given)]]
    assert [text for _, text in given] == [each.body for each in review[: len(given)]]
    assert [int(number) for number, _ in given] == list(range(1, len(given) + 1))
    assert prompt.count("Comment ") == len(given) + 1, "the last says how answers begin"
    assert 1 <= len(given) <= 50
    assert len(prompt) <= 40_000


def test_where_none_fits_whole_none_is_asked_about() -> None:
    review = (ReviewWords("ada", "w" * 39_990, 0), comment(1, "Rename this, please."))
    assert numbers_of(review) == []
    assert "Comment" not in prompt_of(*review)


def test_a_message_to_a_run_at_work_counts_none() -> None:
    assert prompt_of(comment(1, "Rename this."), counted=False) == "On a.py:1:\nRename this."
