"""A base branch that moves while a run works: the change goes over and is judged again."""

import pytest

from graph.errors import SandboxLost
from graph.publication import MAX_MOVES, PullRequest
from graph.state import Limits
from graph.values import Stop
from tests.standins.services.scripted_services import (
    APPROVED,
    BASE,
    FAILED,
    PASSED,
    REJECTED,
    UNAVAILABLE,
    Script,
)
from tests.support.graph.driven import REQUEST, Driven

JUDGED = ["validate", "review", "publish"]


async def test_the_change_is_validated_and_reviewed_again_on_the_newer_base() -> None:
    script = Script(moves=1)
    driven = Driven(script)
    state = await driven.run()
    assert driven.nodes == ["prepare", "plan", "code", *JUDGED, *JUDGED]
    assert state["outcome"].status == "succeeded"
    (publication,) = script.published
    assert (publication.base.moved, publication.change.ref.role) == (1, "rebase")
    assert publication.change.title == "coder title"
    assert publication.remaining == ()
    first, second = [task for task in script.tasks if task.role == "reviewer"]
    assert (first.base, second.base) == (BASE, publication.base)
    assert second.step > publication.change.ref.step > first.step
    assert [[c.command for c in asked] for asked in script.checks_asked] == [
        ["make test"],
        ["make check"],
    ]
    told = driven.said("change.updated")
    assert ["baseSha" in event for event in told] == [False, True]
    assert len(driven.said("pr.created")) == 1
    assert script.closed == [("run-00000001", False)]


async def test_a_branch_that_moves_on_and_on_is_let_be() -> None:
    script = Script(moves=9)
    driven = Driven(script)
    state = await driven.run()
    assert driven.nodes.count("publish") == MAX_MOVES + 1
    assert state["outcome"].status == "succeeded"
    assert script.published[0].base.moved == MAX_MOVES
    assert script.published[0].rebase_step is None


async def test_what_fails_on_the_newer_base_is_mended_there() -> None:
    script = Script(
        moves=1,
        changes=["one", "two", "three"],
        validations=[PASSED, FAILED, PASSED],
        reviews=[APPROVED, REJECTED, APPROVED],
    )
    driven = Driven(script)
    state = await driven.run()
    assert driven.nodes[3:] == [
        *JUDGED, "validate", "fix", "validate", "review", "fix", *JUDGED,
    ]  # fmt: skip
    assert state["outcome"].status == "succeeded"
    fixes = [task for task in script.tasks if task.role == "fixer"]
    assert {task.base.moved for task in fixes} == {1}
    assert fixes[0].change
    assert fixes[0].change.role == "rebase"


async def test_what_cannot_be_mended_there_is_a_draft_that_says_so() -> None:
    script = Script(moves=1, validations=[PASSED, FAILED])
    state = await Driven(script, Limits(max_fix_rounds=1)).run()
    assert (state["outcome"].status, state["outcome"].reason) == (
        "incomplete",
        "fix_rounds_exhausted",
    )
    assert script.published[0].base.moved == 1
    assert "Still fails: test_a" in script.published[0].remaining


@pytest.mark.parametrize("stop", ["budget", "tokens", "time", "turns"])
async def test_without_means_to_judge_it_there_it_is_published_where_it_was_judged(
    stop: Stop,
) -> None:
    script = Script(moves=1, reviews=[APPROVED, stop])
    driven = Driven(script)
    state = await driven.run()
    assert state["outcome"].status == "succeeded"
    (publication,) = script.published
    assert (publication.base, publication.rebase_step) == (BASE, None)
    assert publication.review == APPROVED
    assert not publication.draft
    assert (state["base"], state["stopped"]) == (BASE, None)
    assert state["review"] == APPROVED


async def test_what_the_base_has_by_now_is_no_change() -> None:
    script = Script(moves=1, all_there=True)
    state = await Driven(script).run()
    assert (state["outcome"].status, state["outcome"].reason) == ("no_changes", "empty_change")
    assert script.published == []


@pytest.mark.parametrize(
    ("script", "follows"),
    [
        (Script(moves=1, validations=[UNAVAILABLE]), True),
        (Script(moves=1, reviews=[REJECTED]), False),
        (Script(moves=1, changes=["budget"]), False),
    ],
    ids=["not validated", "rounds spent", "budget spent"],
)
async def test_only_what_is_done_goes_over(script: Script, follows: bool) -> None:
    driven = Driven(script, Limits(max_fix_rounds=0))
    await driven.run()
    assert bool(script.published[0].base.moved) is follows


async def test_a_fault_while_it_goes_over_is_carried_on_from_there() -> None:
    script = Script(moves=1, find_error=SandboxLost("gone"))
    driven = Driven(script)
    state = await driven.run()
    assert (state["failure"].code, state["failure"].node) == ("sandbox_lost", "publish")
    assert state["base"] == BASE
    script.find_error, script.moves = None, 1
    driven.nodes.clear()
    state = await driven.resume(Limits())
    assert driven.nodes == ["publish", *JUDGED]
    assert state["outcome"].status == "succeeded"
    assert len({event["key"] for event in driven.said("change.updated")}) == 2


async def test_new_input_begins_without_what_was_settled() -> None:
    script = Script(moves=1)
    driven = Driven(script)
    assert (await driven.run())["settled"] is None
    state = await driven.run({**REQUEST, "prompt": "Another"})
    assert (state["base"].moved, state["settled"]) == (0, None)
    assert isinstance(state["pull_request"], PullRequest)
