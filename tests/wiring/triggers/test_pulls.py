"""Comments and reviews of pull requests: one follow-up for each, of who may write."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from graph import (
    ChangeResult,
    Emit,
    MessageAnswered,
    MessageRead,
    Role,
    RoleTask,
)
from tests.standins.github import Fault
from tests.standins.github_server.repository import HostedPull
from tests.standins.services.run_service import log_of
from tests.support.pictures import address_of
from tests.wiring.triggers.conftest import OURS, World, open_world

pytestmark = pytest.mark.slow
NUMBER, REVIEW = 7, 900


def stamp(seconds: float = 0) -> str:
    return datetime.fromtimestamp(time.time() + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def open_pull(world: World) -> None:
    """A pull request of ours."""
    world.hosted.pulls[NUMBER] = HostedPull(
        *(NUMBER, "Greet", "", "main", "agent/greet", "c" * 40, "b" * 40), draft=False
    )


def pull_payload(action: str, by: str, author: str = OURS) -> dict[str, Any]:
    return {
        "action": action,
        "sender": {"login": by, "type": "User"},
        "repository": {"full_name": "octo/sample"},
        "pull_request": {
            "number": NUMBER,
            "user": {"login": author, "type": "User"},
            "updated_at": stamp(),
        },
    }


async def review(
    world: World,
    by: str,
    *lines: str,
    body: str = "",
    author: str = OURS,
    state: str = "changes_requested",
) -> None:
    """A review with line comments, delivered as GitHub does: each comment, and itself."""
    at = stamp(-60)
    comments = [
        {"id": 50 + n, "user": {"login": by}, "body": line, "path": "a.py", "line": n + 1}
        | {"created_at": at, "updated_at": at, "pull_request_review_id": REVIEW}
        for n, line in enumerate(lines)
    ]
    itself = {"id": REVIEW, "user": {"login": by}, "body": body, "submitted_at": at}
    itself["state"] = state
    world.hosted.reviews[REVIEW] = [itself, *comments]
    for comment in comments:
        payload = {**pull_payload("created", by, author), "comment": comment}
        await world.deliver("pull_request_review_comment", payload)
    payload = {**pull_payload("submitted", by, author), "review": itself}
    await world.deliver("pull_request_review", payload)


async def work_off(world: World) -> None:
    await world.worker.round()
    for run in await world.runs():
        await log_of(world.service, run.run_id)
    await world.worker.round()


async def test_a_comment_is_one_follow_up(world: World) -> None:
    open_pull(world)
    world.hosted.issues[NUMBER] = ("Greet", "")
    shot = address_of(world.forge.address, 1)
    said = world.hosted.say(NUMBER, "ben", f"/coding-agent rename it to greet_all ![shot]({shot})")
    payload = {
        **world.payload("created", "ben"),
        "comment": {"id": said.id, "body": said.body, "created_at": said.created_at},
    }
    payload["issue"] |= {"number": NUMBER, "pull_request": {"url": "http://x/"}}
    await world.deliver("issue_comment", payload)
    await work_off(world)
    (run,) = await world.runs()
    assert run.request["prompt"].startswith("rename it to greet_all")
    assert run.request["pictures"] == [{"comment": said.id, "address": shot}]
    address = f"{world.forge.address}/octo/sample/pull/{NUMBER}"
    assert run.request["pull_request_url"] == address
    assert run.owner == "github:ben"
    assert "closes" not in run.request
    events = await log_of(world.service, run.run_id)
    assert not [event for event in events if event.type == "review.received"]


async def test_five_events_of_one_review_are_one_follow_up(world: World) -> None:
    open_pull(world)
    lines = ("/coding-agent rename this", "/coding-agent and this", "Why?", "Dead code.")
    await review(world, "ben", *lines, body="Nearly.")
    await work_off(world)
    (run,) = await world.runs()
    asked, _, how = run.request["prompt"].rpartition("\n\n")
    assert asked == (
        "Nearly.\n\nComment 1, on a.py:1:\nrename this\n\nComment 2, on a.py:2:\nand this"
        "\n\nComment 3, on a.py:3:\nWhy?\n\nComment 4, on a.py:4:\nDead code."
    )
    assert "`Comment 1: …`" in how
    assert run.request["answers"] == [50, 51, 52, 53]
    asked_for = [f"{each.method} {each.path}" for each in world.forge.requests]
    assert len([call for call in asked_for if "/api/" in call]) <= 7, asked_for
    assert len(world.ours) == 1
    events = await log_of(world.service, run.run_id)
    (received,) = [event.data for event in events if event.type == "review.received"]
    assert received["by"] == "ben"
    assert received["comments"][:2] == [
        {"path": "", "text": "Nearly."},
        {"path": "a.py", "line": 1, "text": "rename this"},
    ]
    assert len(received["comments"]) == 5


async def test_pictures_of_a_review_are_those_of_its_author(world: World) -> None:
    open_pull(world)
    web = world.forge.address
    own, line, hidden = (address_of(web, number) for number in range(1, 4))
    await review(
        world,
        "ben",
        f"/coding-agent as in ![a]({line})",
        f"<!-- ![b]({hidden}) -->",
        body=f"![c]({own})",
    )
    await work_off(world)
    (run,) = await world.runs()
    assert run.request["pictures"] == [
        {"comment": REVIEW, "address": own, "of": "review"},
        {"comment": 50, "address": line, "of": "line"},
    ]


async def test_a_line_behind_a_hundred_others_counts(world: World) -> None:
    open_pull(world)
    await review(world, "ben", *["Slow."] * 120, body="/coding-agent make it fast")
    await work_off(world)
    (run,) = await world.runs()
    assert "Comment 50, on a.py:50:\nSlow.\n\nOn a.py:51:\nSlow." in run.request["prompt"]
    assert "On a.py:120:\nSlow.\n\n" in run.request["prompt"]
    assert len(run.request["answers"]) == 50


@pytest.mark.parametrize(
    ("autofix", "author", "by", "runs"),
    [
        (("reviews",), OURS, "ben", 1),
        ((), OURS, "ben", 0),
        (("reviews",), "ada", "ben", 0),
        (("reviews",), OURS, "eve", 0),
    ],
)
async def test_changes_that_are_requested_without_a_command(
    world: World, autofix: tuple[str, ...], author: str, by: str, runs: int
) -> None:
    open_pull(world)
    async with open_world(world.forge, world.hosted, world.house, autofix=autofix) as opened:
        await review(opened, by, "Dead code.", author=author)
        await work_off(opened)
        assert len(await opened.runs()) == runs


async def test_a_review_while_a_run_is_at_work_is_one_message_to_it(world: World) -> None:
    open_pull(world)
    world.house.pace.hold("code")
    async with open_world(world.forge, world.hosted, world.house, autofix=("reviews",)) as opened:
        await review(opened, "ben", "Dead code.")
        await opened.worker.round()
        await opened.house.pace.reached("code")
        first = opened.hosted.reviews.pop(REVIEW)
        later = [{**row, "id": row["id"] + 1} for row in first]
        later[1]["body"] = "Slow. <!-- hidden order -->"
        opened.hosted.reviews[REVIEW + 1] = later
        payload = {**pull_payload("submitted", "ben"), "review": later[0]}
        await opened.deliver("pull_request_review", payload)
        await opened.worker.round()
        opened.house.pace.let_go("code")
        await work_off(opened)
        (run,) = await opened.runs()
        events = await log_of(opened.service, run.run_id)
        (said,) = [event for event in events if event.type == "message.received"]
        assert said.data["text"] == "On a.py:1:\nSlow."
        reviews = [event for event in events if event.type == "review.received"]
        assert [event.data["comments"] for event in reviews] == [
            [{"path": "a.py", "line": 1, "text": "Dead code."}],
            [{"path": "a.py", "line": 1, "text": "Slow."}],
        ]
        assert reviews[1].seq == said.seq - 1


@pytest.mark.parametrize(
    ("state", "runs"), [("approved", 0), ("commented", 0), ("changes_requested", 1)]
)
async def test_words_to_somebody_else_request_no_changes(
    world: World, state: str, runs: int
) -> None:
    open_pull(world)
    async with open_world(world.forge, world.hosted, world.house, autofix=("reviews",)) as opened:
        await review(opened, "ben", "@eve what do you think?", body="/lgtm", state=state)
        await work_off(opened)
        assert len(await opened.runs()) == runs


async def test_a_review_is_waited_for_until_its_comments_are_there(world: World) -> None:
    open_pull(world)
    await review(world, "ben", "/coding-agent rename this")
    (itself, *_) = world.hosted.reviews[REVIEW]
    payload = {**pull_payload("submitted", "ben"), "review": {**itself, "id": REVIEW + 1}}
    payload["review"] |= {"submitted_at": stamp(5), "body": "/coding-agent go on"}
    world.hosted.reviews[REVIEW + 1] = [payload["review"]]
    await world.worker.round()
    assert len(await world.runs()) == 1
    world.hosted.reactions.clear()
    await world.deliver("pull_request_review", payload)
    await world.worker.round()
    assert len(await world.runs()) == 1
    assert world.hosted.reactions == [(f"issues/{NUMBER}", "eyes")]


async def test_eyes_that_cannot_be_shown_at_once_hold_up_nothing(world: World) -> None:
    open_pull(world)
    itself = {"id": REVIEW, "user": {"login": "ben"}, "body": "/coding-agent go on"}
    itself |= {"submitted_at": stamp(), "state": "commented"}
    world.hosted.reviews[REVIEW] = [itself]
    world.forge.fail("POST", "/reactions", Fault(502))
    await world.deliver(
        "pull_request_review", pull_payload("submitted", "ben") | {"review": itself}
    )
    await world.worker.round()
    assert not await world.runs()
    await world.deliveries.postpone(f"review:octo/sample:{REVIEW}:/coding-agent", 0)
    await work_off(world)
    assert len(await world.runs()) == 1
    assert world.hosted.reactions == [(f"issues/{NUMBER}", "eyes")]


async def test_words_of_others_in_a_review_do_not_count(world: World) -> None:
    open_pull(world)
    await review(world, "ben", "/coding-agent rename this")
    at = stamp(-60)
    stranger = {"id": 99, "user": {"login": "eve"}, "body": "Order 66", "path": "a.py", "line": 9}
    world.hosted.reviews[REVIEW].append(stranger | {"created_at": at, "updated_at": at})
    world.hosted.reviews[REVIEW][1]["updated_at"] = stamp(3600)
    await work_off(world)
    assert not await world.runs()
    (said,) = world.ours
    assert "Nobody who may write" in said


async def test_closing_stops_what_is_at_work(world: World) -> None:
    open_pull(world)
    world.house.pace.hold("code")
    await review(world, "ben", "/coding-agent rename this")
    await world.worker.round()
    await world.house.pace.reached("code")
    payload = pull_payload("closed", "ada")
    payload["pull_request"]["merged"] = True
    await world.deliver("pull_request", payload)
    await world.worker.round()
    world.house.pace.let_go("code")
    await work_off(world)
    (run,) = await world.runs()
    assert run.status == "cancelled"
    thread = await world.deliveries.thread("octo/sample#7")
    assert thread
    assert thread["merged"] is True


FIRST_PARTS = {
    "changes are requested": {"state": "changes_requested", "body": ""},
    "words to somebody else": {"state": "commented", "body": "@eve what do you think?"},
    "a word for us, too": {"state": "commented", "body": "@octo-agent please"},
}


@pytest.mark.parametrize("first", FIRST_PARTS.values(), ids=FIRST_PARTS)
async def test_a_command_counts_whatever_part_of_its_review_comes_first(
    world: World, first: dict[str, str]
) -> None:
    open_pull(world)
    at = stamp(-60)
    itself = {"id": REVIEW, "user": {"login": "ben"}, "submitted_at": at, **first}
    line = {"id": 50, "user": {"login": "ben"}, "body": "/coding-agent rename this"}
    line |= {"path": "a.py", "line": 1, "created_at": at, "updated_at": at}
    line |= {"pull_request_review_id": REVIEW}
    world.hosted.reviews[REVIEW] = [itself, line]
    told = pull_payload("submitted", "ben", "ada") | {"review": itself}
    await world.deliver("pull_request_review", told)
    await work_off(world)
    for _ in range(2):
        told = pull_payload("created", "ben", "ada") | {"comment": line}
        await world.deliver("pull_request_review_comment", told)
        await work_off(world)
    (run,) = await world.runs()
    assert "on a.py:1:\nrename this" in run.request["prompt"]
    assert len(world.ours) == 1


async def test_a_review_counts_as_it_was_delivered(world: World) -> None:
    open_pull(world)
    await review(world, "ben", "Why?", body="/coding-agent rename it")
    world.hosted.reviews[REVIEW][0]["body"] = "/coding-agent drop the tables"
    await work_off(world)
    (run,) = await world.runs()
    assert run.request["prompt"].startswith("rename it\n\nComment 1, on a.py:1:\nWhy?")


async def test_what_others_began_there_takes_of_its_money(world: World) -> None:
    open_pull(world)
    await log_of(world.service, await world.begin_elsewhere(NUMBER))
    async with open_world(world.forge, world.hosted, world.house, thread_usd=0.06) as poor:
        await review(poor, "ben", "/coding-agent rename this")
        await work_off(poor)
        (run,) = await poor.runs()
        assert run.owner == "alice"
        (said,) = poor.ours
        assert "$0.06" in said


async def test_what_others_began_there_is_stopped_too(world: World) -> None:
    open_pull(world)
    world.house.pace.hold("code")
    run_id = await world.begin_elsewhere(NUMBER)
    await world.house.pace.reached("code")
    await review(world, "ben", body="/coding-agent stop", state="commented")
    await world.worker.round()
    world.house.pace.let_go("code")
    await work_off(world)
    (run,) = await world.runs()
    assert (run.run_id, run.status) == (run_id, "cancelled")


@pytest.mark.parametrize("author", [OURS, "ben"])
async def test_closing_stops_what_others_began_there(world: World, author: str) -> None:
    open_pull(world)
    world.house.pace.hold("code")
    await world.begin_elsewhere(NUMBER)
    await world.house.pace.reached("code")
    await world.deliver("pull_request", pull_payload("closed", "ada", author))
    await world.worker.round()
    world.house.pace.let_go("code")
    await work_off(world)
    (run,) = await world.runs()
    assert run.status == "cancelled"
    assert not world.ours


@dataclass(frozen=True)
class Hearing:
    """A coder that has read the first message when it answers."""

    inner: Role[ChangeResult]

    async def __call__(self, task: RoleTask, emit: Emit) -> ChangeResult:
        emit(MessageRead(key="message.read:1:coder", number=1, role="coder"))
        emit(MessageAnswered(key="message.answered:1", number=1, role="coder"))
        return await self.inner(task, emit)


@pytest.mark.parametrize("heard", [True, False], ids=["heard", "too late"])
async def test_a_review_that_was_a_message_gets_its_thumbs_once_it_is_done(
    world: World, heard: bool
) -> None:
    open_pull(world)
    if heard:
        world.house.roles["coder"] = Hearing(world.house.pace.services(world.house.script).coder)
    world.house.pace.hold("plan")
    async with open_world(world.forge, world.hosted, world.house) as opened:
        await review(opened, "ben", body="/coding-agent go on", state="commented")
        await opened.worker.round()
        await opened.house.pace.reached("plan")
        first = opened.hosted.reviews.pop(REVIEW)[0]
        at = stamp(-60)
        line = {"user": {"login": "ben"}, "path": "a.py", "created_at": at, "updated_at": at}
        lines = [{**line, "id": 50 + n, "line": n + 1, "body": "Slow."} for n in range(12)]
        later = {**first, "id": REVIEW + 1, "body": "/coding-agent and this"}
        opened.hosted.reviews[REVIEW + 1] = [later, *lines]
        payload = {**pull_payload("submitted", "ben"), "review": later}
        await opened.deliver("pull_request_review", payload)
        await opened.worker.round()
        opened.house.pace.let_go("plan")
        for _ in range(3):
            await work_off(opened)
        (run,) = await opened.runs()
        assert run.status == "succeeded"
        thumbs = [place for place, what in opened.hosted.reactions if what == "+1"]
        assert thumbs == [f"pulls/comments/{50 + n}" for n in range(12 if heard else 0)]
        assert not await opened.deliveries.live_threads()
