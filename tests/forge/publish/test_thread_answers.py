"""A comment of a review gets a thumb, or in its thread what was not done as it asks."""

from typing import Any

import pytest

from graph.publication import PullRequest
from tests.forge.publish.test_follow_up import THEIRS, begun, follow
from tests.standins.github import DROPPED, Fault
from tests.support.pull_requests import add_pull
from tests.support.trusted_side import TrustedSide

pytestmark = pytest.mark.slow

COMMENTS = (50, 51)
TOKEN_LIKE = "AKIA" + "Y34FZKBOKMUTVV7A"


@pytest.fixture(autouse=True)
def lines(side: TrustedSide) -> None:
    """The comments, the second of which is a reply of the first."""
    replied = {"id": COMMENTS[1], "in_reply_to_id": COMMENTS[0]}
    side.hosted.reviews[900] = [{"id": 900}, {"id": COMMENTS[0]}, replied]


async def go_on(side: TrustedSide, *unchecked: str, **more: Any) -> PullRequest:
    """A follow-up that was asked for by two comments of a review."""
    pull = await add_pull(side, THEIRS)
    base, change = await begun(side, pull)
    told = change.model_copy(update={"unchecked": unchecked, "done": not unchecked, **more})
    return await follow(side, base, told, answers=COMMENTS)


async def test_each_that_was_done_gets_a_thumb(side: TrustedSide) -> None:
    await go_on(side)
    thumbs = [(f"pulls/comments/{number}", "+1") for number in COMMENTS]
    assert side.hosted.reactions == thumbs
    assert not side.hosted.replies


async def test_what_was_not_done_is_said_in_its_thread_alone(side: TrustedSide) -> None:
    await go_on(side, "Comment 2: the name is public. Shall it change? @ada closes #1", "No GPU.")
    assert side.hosted.reactions == [("pulls/comments/50", "+1")]
    ((thread, said),) = side.hosted.replies
    assert thread == 50
    assert said.startswith("the name is public. Shall it change?")
    assert "@ada" not in said
    assert "#1" not in said


async def test_nothing_is_thumbed_where_it_is_not_said_what_is_missing(side: TrustedSide) -> None:
    await go_on(side, "One of them is not done.")
    assert not side.hosted.reactions
    assert not side.hosted.replies


@pytest.mark.parametrize("unknown", ["Comment 3: no.", "Comment 0: no.", "Comment 999999: no."])
async def test_a_number_that_was_not_given_answers_nobody(side: TrustedSide, unknown: str) -> None:
    await go_on(side, unknown, done=True)
    assert not side.hosted.replies
    assert len(side.hosted.reactions) == len(COMMENTS)


async def test_an_answer_that_may_be_there_is_not_given_twice(side: TrustedSide) -> None:
    side.forge.fail("POST", "/replies", Fault(**{**vars(DROPPED), "after": True}))
    pull = await add_pull(side, THEIRS)
    base, change = await begun(side, pull)
    told = change.model_copy(update={"unchecked": ("Comment 1: no.",), "done": False})
    for _ in range(2):
        await follow(side, base, told, answers=COMMENTS)
    assert side.hosted.replies == [(50, "no.")]
    assert side.hosted.reactions == [("pulls/comments/51", "+1")]


async def test_a_refused_answer_ends_no_run(side: TrustedSide) -> None:
    side.forge.fail("POST", "/reactions", Fault(403, times=9))
    side.forge.fail("POST", "/replies", Fault(404, times=9))
    done = await go_on(side, "Comment 1: no.")
    assert done.number == 1


async def test_a_secret_is_not_told(side: TrustedSide) -> None:
    await go_on(side, f"Comment 1: aws_access_key_id = {TOKEN_LIKE} is in the file.")
    ((_, said),) = side.hosted.replies
    assert TOKEN_LIKE not in said
