"""Deliveries as GitHub publishes examples of them, and what is made of each."""

import json
from pathlib import Path
from typing import Any

import pytest

from forge.triggers import Act, read_acts
from forge.triggers.commands import Command
from graph.errors import InvalidRequest

PAYLOADS = Path(__file__).parent / "payloads"


def example(name: str, **changes: Any) -> bytes:
    """A published payload; `changes` are of fields by their path, such as `comment__body`."""
    payload = json.loads((PAYLOADS / f"{name}.json").read_text())
    for path, value in changes.items():
        *folders, last = path.split("__")
        part = payload
        for folder in folders:
            part = part[folder]
        part[last] = value
    return json.dumps(payload).encode()


def read(event: str, body: bytes, delivery: str = "d-1") -> Act | None:
    """The one act of a delivery."""
    acts = read_acts(event, delivery, body, label="coding-agent")
    assert len(acts) < 2
    return acts[0] if acts else None


def act_of(event: str, body: bytes) -> Act:
    act = read(event, body)
    assert act
    return act


def test_a_label() -> None:
    act = act_of("issues", example("issues.labeled", label__name="Coding-Agent"))
    assert (act.kind, act.repo, act.number) == ("label", "Codertocat/Hello-World", 1)
    assert (act.by, act.issue_author, act.is_pull) == ("Codertocat", "Codertocat", False)
    assert act.issue_title == "Spelling error in the README file"
    assert (act.place, act.place_number) == ("issue", 1)
    assert act.key == "label:codertocat/hello-world#1:1557933618"
    assert act.repository == 186853002


def test_a_label_that_two_webhooks_tell_of_is_one_act() -> None:
    body = example("issues.labeled", label__name="coding-agent")
    told = [read("issues", body, delivery) for delivery in ("d-1", "d-2")]
    assert len({act.key for act in told if act}) == 1
    again = example(
        "issues.labeled", label__name="coding-agent", issue__updated_at="2026-01-01T00:00:00Z"
    )
    assert act_of("issues", again).key not in {act.key for act in told if act}


def test_a_comment() -> None:
    body = example("issue_comment.created", comment__body="Well.\n/coding-agent fix the typo")
    act = act_of("issue_comment", body)
    assert act.commands == (Command("/coding-agent", "fix the typo"),)
    assert (act.place, act.place_number) == ("comment", 492700400)
    assert act.key == "comment:codertocat/hello-world:492700400"


def test_a_review_and_its_comments_are_one_act() -> None:
    review = example("pull_request_review.submitted", review__state="changes_requested")
    body = example("pull_request_review_comment.created", comment__body="/coding-agent rename it")
    told = [act_of("pull_request_review", review), act_of("pull_request_review_comment", body)]
    assert {act.key for act in told} == {"review:codertocat/hello-world:237895671"}
    assert all(act.is_pull for act in told)


def test_a_closed_pull_request() -> None:
    act = act_of("pull_request", example("pull_request.closed", pull_request__merged=True))
    assert (act.kind, act.number, act.merged) == ("closed", 2, True)


def test_checks_that_have_ended() -> None:
    body = example("check_suite.completed", sender__type="Bot")
    act = act_of("check_suite", body)
    assert (act.kind, act.number, act.is_pull) == ("checks", 2, True)
    again = example("check_suite.completed", check_suite__updated_at="2020-01-01T00:00:00Z")
    assert act_of("check_suite", again).key != act.key


def test_checks_count_for_each_pull_request_of_their_commit() -> None:
    (row,) = json.loads(example("check_suite.completed"))["check_suite"]["pull_requests"]
    rows = [{**row, "number": number} for number in (2, 5, 2)]
    acts = suite_acts(check_suite__pull_requests=rows)
    assert [(act.kind, act.number) for act in acts] == [("checks", 2), ("checks", 5)]
    assert len({act.key for act in acts}) == 2


def test_checks_that_name_no_pull_request_are_those_of_their_commit() -> None:
    """GitHub names none of a fork's."""
    (act,) = suite_acts(check_suite__pull_requests=[])
    assert (act.kind, act.text) == ("status", "ec26c3e57ca3a959ca5aad62de7213c562f8c821")
    assert not suite_acts(check_suite__pull_requests=[], check_suite__head_sha="../x")


def suite_acts(**changes: Any) -> tuple[Act, ...]:
    body = example("check_suite.completed", **changes)
    return read_acts("check_suite", "d-1", body, label="coding-agent")


def test_a_branch_that_moved() -> None:
    act = act_of("push", example("push", sender__type="Bot", ref="refs/heads/next/2"))
    assert (act.kind, act.repo, act.text) == ("pushed", "Codertocat/Hello-World", "next/2")
    assert act_of("push", example("push", ref="refs/heads/next/2")).key == act.key
    assert act_of("push", example("push", ref="refs/heads/next/2", after="1" * 40)).key != act.key


def test_a_status_that_came_to_its_end() -> None:
    act = act_of("status", example("status", sender__type="Bot"))
    assert (act.kind, act.text) == ("status", "6113728f27ae82c7b1a177c8d03f9e96e0adf246")
    assert act_of("status", example("status", id=7, state="failure")).key != act.key


COMMENT = {"comment__body": "/coding-agent fix it"}
NOTHING: list[tuple[str, bytes]] = [
    ("issues", example("issues.labeled")),
    ("issues", example("issues.labeled", action="opened")),
    ("issues", example("issues.labeled", action="edited", label__name="coding-agent")),
    ("issue_comment", example("issue_comment.created")),
    ("issue_comment", example("issue_comment.created", action="edited", **COMMENT)),
    ("issue_comment", example("issue_comment.created", action="deleted", **COMMENT)),
    ("issue_comment", example("issue_comment.created", comment__body="> /coding-agent fix it")),
    ("issue_comment", example("issue_comment.created", sender__type="Bot", **COMMENT)),
    ("issue_comment", example("issue_comment.created", sender__login="other[bot]", **COMMENT)),
    ("issue_comment", example("issue_comment.created", comment__body=None)),
    ("pull_request_review", example("pull_request_review.submitted")),
    ("pull_request_review_comment", example("pull_request_review_comment.created")),
    ("pull_request", example("pull_request.closed", action="opened")),
    ("check_suite", example("check_suite.completed", action="requested")),
    ("push", example("push", ref="refs/tags/v1")),
    ("push", example("push", deleted=True)),
    ("status", example("status", state="pending")),
    ("status", example("status", sha="../../pulls")),
    ("ping", b'{"zen": "x"}'),
    ("star", b"not JSON"),
]


@pytest.mark.parametrize(("event", "body"), NOTHING)
def test_what_begins_nothing(event: str, body: bytes) -> None:
    assert read(event, body) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"null",
        b"\xff\xfe",
        example("issues.labeled", repository__full_name="../../etc"),
        example("issues.labeled", sender__login="a/../b"),
        b'{"a":' * 5000,
    ],
)
def test_what_github_does_not_send_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        read("issues", body)


def test_an_act_is_plain_data() -> None:
    act = act_of("issue_comment", example("issue_comment.created", **COMMENT))
    assert Act.model_validate(json.loads(json.dumps(act.model_dump(mode="json")))) == act
