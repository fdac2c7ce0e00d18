"""What is said of a change, and what of it is open: the newest role's word for all of it."""

import pytest

from graph.comment_answers import read_answers
from graph.machine import edges
from graph.machine.role_tasks import named_change
from graph.spending import Spend
from graph.state import RunState
from graph.tasks import ChangeResult
from graph.values import Change, ChangeRef, Review, Validation

BEFORE = Change(
    ref=ChangeRef(step=2, role="coder", digest="a"),
    tree="one",
    files=(),
    title="Add",
    summary="It adds.",
    done=False,
    unchecked=("Windows was not tried.",),
)
AFTER = BEFORE.model_copy(update={"tree": "two", "title": "", "summary": "", "unchecked": ()})
FIXED = ChangeResult(change=AFTER.ref, title="Add well", summary="It adds well.", spend=Spend())


def test_a_fix_rewrites_the_text_whole() -> None:
    named = named_change(AFTER, BEFORE, FIXED)
    assert (named.title, named.summary, named.tree) == ("Add well", "It adds well.", "two")
    assert (named.done, named.unchecked) == (True, ())


@pytest.mark.parametrize(
    ("tree", "title"), [("one", "Add well"), ("two", "")], ids=["changed nothing", "stopped"]
)
def test_a_fix_without_an_effect_or_an_answer_leaves_the_text_alone(tree: str, title: str) -> None:
    after = AFTER.model_copy(update={"tree": tree})
    named = named_change(after, BEFORE, FIXED.model_copy(update={"title": title}))
    assert (named.title, named.summary, named.tree) == ("Add", "It adds.", tree)
    assert (named.done, named.unchecked) == (False, ("Windows was not tried.",))


ANSWERS = ("Comment 2: the name is public.", "comment 3 : Why?", "No GPU.")


def test_an_answer_to_a_comment_outlives_a_fix_that_is_not_about_it() -> None:
    before = BEFORE.model_copy(update={"unchecked": ANSWERS})
    fixed = FIXED.model_copy(update={"unchecked": ("Slow.", "Comment 3: it is done now.")})
    named = named_change(AFTER, before, fixed)
    assert named.unchecked == ("Slow.", "Comment 3: it is done now.", ANSWERS[0])


@pytest.mark.parametrize("tree", ["one", "two"])
def test_an_answer_of_a_fix_that_changed_nothing_is_kept(tree: str) -> None:
    before = BEFORE.model_copy(update={"unchecked": ANSWERS})
    fixed = FIXED.model_copy(update={"unchecked": ("Comment 7: it cannot be.",)})
    named = named_change(AFTER.model_copy(update={"tree": tree}), before, fixed)
    assert read_answers(named.unchecked) == {
        2: "the name is public.",
        3: "Why?",
        7: "it cannot be.",
    }


def test_what_is_not_done_is_a_draft_that_lists_it() -> None:
    state: RunState = {
        "repo_url": "o/r",
        "prompt": "Add.",
        "change": BEFORE,
        "validation": Validation(status="passed"),
        "review": Review(verdict="approve"),
    }
    outcome = edges.verdict(state)
    assert (outcome.status, outcome.reason) == ("incomplete", "not_done")
    assert edges.left_to_do(state) == ("Windows was not tried.",)
    done = BEFORE.model_copy(update={"done": True})
    assert edges.verdict({**state, "change": done}).status == "succeeded"


def test_a_fix_without_a_title_may_leave_more_open() -> None:
    before = BEFORE.model_copy(update={"done": True})
    said = FIXED.model_copy(update={"title": "", "done": False, "unchecked": ("No GPU.",)})
    named = named_change(AFTER, before, said)
    assert (named.title, named.done) == ("Add", False)
    assert named.unchecked == ("Windows was not tried.", "No GPU.")
