"""A plan as it is edited by a person."""

from api.cli.keyboard.plan_text import plan_from_text, plan_to_text
from graph import Plan

PLAN = Plan(
    summary="Print JSON",
    route="short",
    steps=("Parse: the flag", "Print\x1b[2J it"),
    files=("todo/cli.py",),
    ranges=("todo/cli.py:1-9",),
)


def test_what_is_left_as_it_is_changes_nothing() -> None:
    assert plan_from_text(plan_to_text(PLAN), PLAN) is None


def test_an_emptied_text_changes_nothing() -> None:
    assert plan_from_text("# only a comment\n\n", PLAN) is None


def test_what_is_edited_is_the_plan_and_what_is_not_shown_stays() -> None:
    text = plan_to_text(PLAN).replace("- Parse: the flag\n", "-  Parse it\nTest it\n\n-\n")
    plan = plan_from_text(text.replace("Print JSON", "Print\nJSON lines"), PLAN)
    assert plan == PLAN.model_copy(
        update={"summary": "Print JSON lines", "steps": ("Parse it", "Test it", "Print it")}
    )


def test_the_text_holds_nothing_that_an_editor_or_terminal_acts_on() -> None:
    assert "\x1b" not in plan_to_text(PLAN)
