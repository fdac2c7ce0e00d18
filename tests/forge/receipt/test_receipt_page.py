"""A receipt says all of a run, is read back as it was written, and fits a comment."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forge.receipt.build import build_receipt
from forge.receipt.page import MARK, MAX_PAGE, read_page, write_receipt
from forge.receipt.receipt import Receipt
from forge.text.sections import receipt_sections
from graph.environment import Environment, EnvironmentCommand, LeftOut
from graph.publication import RaisedFinding, RunAccount
from graph.services import Publication
from graph.spending import RoleCost, Spend, Usage
from graph.values import CommandReport, Finding, Review, Validation
from tests.forge.text.test_pull_request import publication

COMMIT = "d" * 40
SPENT = Spend(usage=Usage(input_tokens=900, output_tokens=100), cost_usd=0.42)


def ran(command: str, exit_code: int, **more: Any) -> CommandReport:
    status: Any = "failed" if exit_code else "passed"
    return CommandReport(command=command, exit_code=exit_code, status=status, duration_ms=1, **more)


def whole_run(**more: Any) -> Publication:
    """A run that needed a round, and left one remark as it is."""
    told: dict[str, Any] = {
        "draft": False,
        "remaining": (),
        "validation": Validation(status="passed", commands=(ran("pytest", 0, counts="3 passed"),)),
        "baseline": Validation(status="failed", commands=(ran("pytest", 1), ran("lint", 0))),
        "review": Review(
            verdict="approve", findings=(Finding(severity="info", message="Could be shorter."),)
        ),
        "environment": Environment(
            commands=(EnvironmentCommand(command="uv sync"),),
            left_out=(LeftOut(what="group docs", why="no wheel"),),
            tools={"python": "3.11.2"},
        ),
        "account": RunAccount(
            rounds=1,
            spent=SPENT,
            roles=(RoleCost(role="coder", spend=SPENT),),
            raised=(
                RaisedFinding(severity="error", path="a.py", line=3, message="Round.", round=1),
                RaisedFinding(severity="error", message="test_old", round=1, check=True),
            ),
        ),
    }
    return publication(**(told | more))


def built(told: Publication) -> Receipt:
    return build_receipt(told, COMMIT, models={"coder": "claude"}, version="1.0.0")


def test_a_receipt_says_what_was_run_on_what_and_how_it_ended() -> None:
    told = whole_run()
    receipt = built(told)
    (command,) = receipt.commands
    assert (command.exit_code, command.base_exit_code, command.base_status) == (0, 1, "failed")
    assert (receipt.commit, receipt.tree) == (COMMIT, told.change.tree)
    assert (receipt.base_commit, receipt.change) == (told.base.sha, told.change.ref.digest)
    assert [(each.message, each.settled) for each in receipt.findings] == [
        ("Round.", "fixed in round 1"),
        ("fails: test_old", "fixed in round 1"),
        ("Could be shorter.", "left as it is"),
    ]
    assert (receipt.roles[0].model, receipt.roles[0].tokens) == ("claude", 1000)
    assert receipt.left_out == ("group docs: no wheel",)
    assert receipt.set_up[0].command == "uv sync"


def test_what_still_fails_is_open() -> None:
    failing = Validation(status="failed", commands=(ran("pytest", 1),), new_failures=("test_old",))
    receipt = built(whole_run(validation=failing, review=None))
    assert [each.settled for each in receipt.findings] == ["fixed in round 1", "open"]


def test_the_page_is_folded_and_shows_head_beside_base() -> None:
    told = whole_run()
    page = write_receipt(built(told), receipt_sections(told, [])).folded
    assert page.startswith(f"{MARK}\n<details>\n<summary>Receipt: 1 of 1 checks passed, approved,")
    assert "| `pytest` | passed, exit code 0, 3 passed | failed, exit code 1 |" in page
    assert "- coder: $0.42, 1000 tokens, claude" in page
    assert "- error: `a.py:3` Round. (fixed in round 1)" in page
    assert page.count("<details>") == page.count("</details>")


def test_it_is_read_back_as_it_was_written() -> None:
    receipt = built(whole_run())
    assert read_page(write_receipt(receipt, "").folded) == (receipt, "")
    signature = "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----"
    assert read_page(write_receipt(receipt, "", f"{signature}\n").folded) == (receipt, signature)


@pytest.mark.parametrize(
    "page", ["", "````json\n{}\n````", "````json\n" + "[" * 9_000, "````json", "````json\n1\n````"]
)
def test_what_is_no_receipt_is_none(page: str) -> None:
    assert read_page(page) is None


def test_a_command_that_is_no_text_makes_no_receipt() -> None:
    page = write_receipt(built(whole_run()), "").folded
    assert read_page(page.replace('"command":"', '"command":"\\ud800')) is None


@settings(max_examples=20)
@given(st.text(max_size=200), st.text(max_size=40))
def test_no_text_of_others_leads_a_reader_astray(text: str, name: str) -> None:
    hostile = f"````json\n{{}}\n````\n</details>\n{text}"
    told = whole_run(
        validation=Validation(status="failed", commands=(ran(hostile, 1),), new_failures=(name,)),
        review=Review(verdict="approve", findings=(Finding(severity="info", message=hostile),)),
        remaining=(hostile,),
    )
    receipt = built(told)
    page = write_receipt(receipt, receipt_sections(told, [hostile])).folded
    assert read_page(page) == (receipt, "")
    outside = page.partition("````json\n")[0]
    assert outside.count("<details>") - outside.count("</details>") == 2


def test_the_longest_receipt_fits_a_comment() -> None:
    long = "\u00e4" * 5_000
    told = whole_run(
        validation=Validation(
            status="failed",
            commands=tuple(ran(f"run {number} {long[:900]}", 1) for number in range(90)),
            new_failures=tuple(f"{number} {long}" for number in range(900)),
        ),
        remaining=(long,) * 90,
        review=Review(verdict="approve", findings=(Finding(severity="info", message=long),) * 900),
    )
    page = write_receipt(built(told), receipt_sections(told, [long] * 90), "s" * 2_000).folded
    assert len(page) <= MAX_PAGE
    assert read_page(page)
