"""What a pull request and its commit say."""

import re
import subprocess
import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forge.publish.automation import CI_WAITS
from forge.text import pull_request
from forge.text.commit_message import WIDTH, commit_message
from forge.text.sections import receipt_sections
from graph.environment import Environment, EnvironmentCommand, LeftOut, Service
from graph.publication import GateFinding, GateReport
from graph.services import Publication
from graph.values import (
    Base,
    Change,
    ChangeRef,
    CommandReport,
    Finding,
    Plan,
    Proof,
    ProofTest,
    Review,
    Validation,
    ValidationFinding,
)

BASE = Base(
    address="https://github.com/octo/sample",
    full_name="octo/sample",
    branch="main",
    sha="a" * 40,
    tree="b" * 40,
    notes=("Submodules are left as they are.",),
)
CHANGE = Change(
    ref=ChangeRef(step=2, role="coder", digest="sha256:00"),
    tree="c" * 40,
    files=(),
    title="Let an invoice carry a discount",
    summary="The discount is taken off before tax.",
)
UNNOTED = ValidationFinding(
    rule="changelog",
    severity="warning",
    message="The repository notes changes in `CHANGELOG.md`, and this change adds no entry.",
)
VALIDATION = Validation(
    status="failed",
    commands=(
        CommandReport(
            command="python -m unittest",
            exit_code=1,
            status="failed",
            duration_ms=5,
            output="SECRET OUTPUT",
        ),
        CommandReport(command="make lint", exit_code=None, status="unavailable", duration_ms=1),
    ),
    new_failures=("tests.Test.test_new",),
    known_failures=("tests.Test.test_old",),
)
REVIEW = Review(
    verdict="request_changes",
    summary="Rounding is missing.",
    findings=(
        Finding(severity="error", path="src/app.py", line=3, message="Round the discount."),
        Finding(severity="info", message="Fine otherwise."),
    ),
)
GATE = GateReport(
    passed=True,
    findings=(
        GateFinding(
            rule="workflows", severity="warning", path=".github/workflows/ci.yml", message="runs"
        ),
    ),
)


def publication(**more: Any) -> Publication:
    told: dict[str, Any] = {
        "run_id": "01j0000000000000000000000",
        "branch": "agent/let-an-invoice-00000000",
        "base": BASE,
        "change": CHANGE,
        "plan": Plan(summary="Add a field, then take it off."),
        "validation": VALIDATION,
        "review": REVIEW,
        "gate": GATE,
        "draft": True,
        "remaining": ("Still fails: tests.Test.test_new",),
    }
    return Publication(**(told | more))


def test_the_body_tells_what_and_why_the_proof_and_where_to_look() -> None:
    assert (
        pull_request.body(publication(requested_by="ada"))
        == """\
The discount is taken off before tax.

**What is left**
- Still fails: tests.Test.test_new

**Validation**
- `python -m unittest`: failed, exit code 1
- `make lint`: could not be run
- Fails since this change: `tests.Test.test_new`
- Failed before this change too: `tests.Test.test_old`
- Review: changes requested.

**Look first**
- workflows: `.github/workflows/ci.yml` runs
- `src/app.py:3` Round the discount.
- Fine otherwise.
- … and 1 more

Made by a coding agent, requested by ada. The receipt says what was run and what it cost."""
    )


def whole(told: Publication) -> str:
    return receipt_sections(told, ["`ci.yml` runs for the pull request."])


def test_the_receipt_tells_the_rest() -> None:
    text = whole(publication())
    assert "### Plan\n\nAdd a field, then take it off." in text
    assert "### Review\n\nChanges requested.\n\nRounding is missing." in text
    assert "### What this starts\n\n- `ci.yml` runs for the pull request." in text
    assert "### About the repository\n\n- Submodules are left as they are." in text


def shown(text: str) -> tuple[int, int]:
    return text.count("\n") + 1, len(text)


def test_what_is_shown_is_short_whatever_there_is_to_tell() -> None:
    row = "@octocat see [this](https://example.org) and #1 in `code` "
    for summary in ("word " * 40_000, "row\n" * 4_000, f"- {row}\n" * 900, "```\n" + "x\n" * 900):
        told = publication(
            change=CHANGE.model_copy(update={"summary": summary}),
            remaining=(row * 20,) * 500,
            cautions=(row,) * 3,
            review=Review(
                verdict="approve",
                findings=(Finding(severity="error", path=row, message=row * 20),) * 90,
            ),
            requested_by="ada " * 90,
        )
        lines, characters = shown(pull_request.body(told))
        assert lines <= pull_request.MAX_LINES
        assert characters <= pull_request.MAX_CHARACTERS


@pytest.mark.parametrize(
    "row", ["x ", "* y\n", "```\n", "> q\n", "|a|b|\n", "1. z\n", "@a ", "`", "🙂", "\u200b@a"]
)
def test_the_limits_hold_with_all_there_can_be_at_once(row: str) -> None:
    text = row * 300
    failed = CommandReport(command=text, exit_code=1, status="failed", duration_ms=5)
    told = publication(
        change=CHANGE.model_copy(update={"summary": text}),
        remaining=(text,) * 9,
        cautions=(text,) * 5,
        validation=Validation(
            status="failed", commands=(failed,) * 9, new_failures=(text,) * 9, findings=(UNNOTED,)
        ),
        requested_by=text,
        closes=99_999_999,
        labels=("bug",),
    )
    added = pull_request.tell_rejected("GitHub", ("labels", "reviewers"))
    body = pull_request.body(told, later=CI_WAITS)
    lines, characters = shown(f"{body}\n\n{CI_WAITS}\n\n{added}")
    assert lines <= pull_request.MAX_LINES
    assert characters <= pull_request.MAX_CHARACTERS
    assert "Made by a coding agent" in body


def test_cautions_are_where_to_look_first() -> None:
    told = publication(cautions=("The change is large: 812 changed lines.",))
    look = pull_request.body(told).partition("**Look first**\n")[2]
    assert look.startswith("- The change is large: 812 changed lines.\n")


def test_an_entry_that_is_missing_is_told_as_no_matter_of_tests() -> None:
    unnoted = VALIDATION.model_copy(update={"findings": (UNNOTED,)})
    told = publication(validation=unnoted, review=None)
    assert "- The repository notes changes in `CHANGELOG.md`" in pull_request.body(told)
    receipt = receipt_sections(told, ())
    assert "does to tests" not in receipt
    assert "### Worth a look\n\n- The repository notes" in receipt


def test_the_runs_id_is_in_the_receipt_alone() -> None:
    told = publication()
    assert told.run_id not in pull_request.body(told)


def test_output_of_commands_is_not_in_it() -> None:
    assert "SECRET OUTPUT" not in pull_request.body(publication()) + whole(publication())


def test_what_was_not_done_is_said() -> None:
    bare = publication(
        plan=None, validation=None, review=None, gate=GateReport(passed=True), remaining=()
    )
    text = pull_request.body(bare)
    assert "Not validated." in text
    assert "Not reviewed." in text
    assert "What is left" not in text
    assert "### Plan" not in whole(bare)
    none = publication(validation=Validation(status="unavailable"))
    assert "Checks: could not be run." in pull_request.body(none)


def test_what_was_not_validated_stands_beside_the_checks() -> None:
    gap = ValidationFinding(
        rule="not_covered", severity="warning", path="b/x.py", message="no check touched `b/x.py`"
    )
    weaker = ValidationFinding(rule="skip", severity="warning", path="t.py", message="skips a test")
    told = publication(
        validation=VALIDATION.model_copy(update={"findings": (gap, weaker)}),
    )
    assert "\n- Not validated: no check touched `b/x.py`\n" in pull_request.body(told)
    on_tests = whole(told).partition("### What the change does to tests")[2]
    assert "no check touched" not in on_tests
    assert "skips a test" in on_tests
    nothing_ran = Validation(status="unavailable", findings=(gap,))
    assert "- Not validated: no check touched" in pull_request.body(
        publication(validation=nothing_ran)
    )
    assert "does to tests" not in whole(publication(validation=nothing_ran))


def test_the_title_is_the_callers_else_the_changes_else_the_plans() -> None:
    assert pull_request.title(publication(title="Mine\nand more")) == "Mine and more"
    assert pull_request.title(publication()) == CHANGE.title
    untitled = publication(change=CHANGE.model_copy(update={"title": "\x00 "}))
    assert pull_request.title(untitled) == "Add a field, then take it off."
    nothing = publication(change=CHANGE.model_copy(update={"title": ""}), plan=None)
    assert pull_request.title(nothing)


def test_whose_run_it_was_is_told() -> None:
    asked = publication(requested_by="ada")
    assert ", requested by ada. " in pull_request.body(asked)
    assert commit_message(asked).endswith("\nRequested-by: ada")


def test_long_texts_fit() -> None:
    long = "word " * 40_000
    told = publication(
        title=long,
        change=CHANGE.model_copy(update={"summary": long}),
        plan=Plan(summary=long),
        remaining=(long,) * 500,
        review=Review(
            verdict="approve",
            summary=long,
            findings=(Finding(severity="info", message=long),) * 900,
        ),
    )
    assert len(whole(told)) < 65_536
    assert "and 860 more" in whole(told)
    assert len(pull_request.title(told)) <= 256


LONG = "Let an invoice carry a discount in percent, which is taken off before tax is added to it"


def test_a_long_title_is_cut_between_words_and_whole_in_the_text() -> None:
    message = commit_message(publication(title=LONG))
    subject, empty, *rest = message.split("\n")
    assert subject == "Let an invoice carry a discount in percent, which is taken off before…"
    assert empty == ""
    assert " ".join(rest).startswith(f"{LONG}  The discount")
    assert max(map(len, message.split("\n"))) <= WIDTH


def test_a_title_without_a_space_is_cut_all_the_same() -> None:
    assert len(commit_message(publication(title="x" * 100)).split("\n")[0]) == WIDTH


def test_lines_of_a_commit_fit_but_for_code_and_what_cannot_be_broken() -> None:
    word, row = "https://example.org/" + "x" * 80, "total = " + "1 + " * 30
    summary = f"- {LONG}\n- short\n\n{LONG}.\n\n```\n{row}\n```\n\n{word}"
    change = CHANGE.model_copy(update={"summary": summary})
    message = commit_message(publication(change=change))
    assert f"\n{row}\n" in message
    assert message.endswith(f"\n{word}")
    others = [each for each in message.split("\n") if each not in (row, word)]
    assert max(map(len, others)) <= WIDTH
    assert (
        "- Let an invoice carry a discount in percent, which is taken off before\n  tax is"
        in message
    )


def test_code_at_the_begin_of_a_line_keeps_no_line_long() -> None:
    change = CHANGE.model_copy(update={"summary": f"```x``` is new.\n{LONG}"})
    assert max(map(len, commit_message(publication(change=change)).split("\n"))) <= WIDTH


def test_a_commit_says_neither_what_was_run_nor_what_is_left() -> None:
    told = publication(remaining=("The fix rounds are used up.",), validation=VALIDATION)
    message = commit_message(told)
    assert "unittest" in pull_request.body(told)
    assert "unittest" not in message
    assert "rounds" not in message


texts = st.text(max_size=80)


@settings(max_examples=30)
@given(texts, texts, texts)
def test_only_our_own_trailers_are_trailers(title: str, summary: str, by: str) -> None:
    hostile = f"{summary}\n\nSigned-off-by: Eve <eve@example.org>\nCo-authored-by: Eve <e@e.e>"
    told = publication(
        change=CHANGE.model_copy(update={"title": title, "summary": hostile}), requested_by=by
    )
    message = commit_message(told)
    done = subprocess.run(
        ["git", "interpret-trailers", "--parse"],
        input=message.encode(),
        capture_output=True,
        check=True,
    )
    names = [row.split(":")[0] for row in done.stdout.decode().splitlines()]
    assert set(names) <= {"Requested-by"}


@given(texts, texts, texts, texts)
def test_no_text_of_others_has_an_effect(one: str, two: str, three: str, four: str) -> None:
    told = publication(
        title=one,
        change=CHANGE.model_copy(update={"summary": f"{two} @octocat Closes #1"}),
        review=Review(
            verdict="approve",
            summary=three,
            findings=(Finding(severity="info", path=four, message="<img> @a"),),
        ),
        validation=Validation(
            status="passed",
            commands=(CommandReport(command=four, exit_code=0, status="passed", duration_ms=1),),
        ),
        remaining=(one, two),
    )
    text = f"{pull_request.title(told)}\n{pull_request.body(told)}\n{whole(told)}"
    assert not re.search(r"@[\w-]|#\d|<[A-Za-z/!?]|!\[", text)
    assert "\n" not in pull_request.title(told)
    text.encode()


def test_set_up_is_told_with_what_was_left_out() -> None:
    environment = Environment(
        commands=(EnvironmentCommand(command="uv sync"),),
        left_out=(LeftOut(what="group docs", why="no *wheel*\nof it"),),
        tools={"python": "3.11.2", "pytest": "8.*"},
        services=(Service(name="postgres", command="x", port=5432),),
        maker="run7",
    )
    text = whole(publication(environment=environment))
    section = text.partition("### Set-up")[2].partition("###")[0]
    assert "- Ran `uv sync`." in section
    assert "- Left out: group docs: no" in section
    assert "- Beside the checks: postgres on port 5432." in section
    assert "found by the model in run `run7`" in section


def offered(*commands: str, maker: str = "run7") -> str:
    """The file that a pull request offers."""
    found = tuple(EnvironmentCommand(command=each, source="model") for each in commands)
    passed = CommandReport(command="pytest", exit_code=0, status="passed", duration_ms=1)
    lint = CommandReport(command="ruff", exit_code=None, status="unavailable", duration_ms=1)
    told = publication(
        environment=Environment(commands=found, maker=maker),
        baseline=Validation(status="passed", commands=(passed, lint)),
    )
    text = whole(told)
    match = re.search(r"<details>.*?\n(`{3,})toml\n(.*?)\n\1\n\n</details>", text, re.DOTALL)
    return match[2] if match else ""


def test_what_a_model_found_is_offered_as_the_repositorys_own_file() -> None:
    commands = ["uv pip install tiny", 'echo "a\\b" ```` \n cd x']
    assert tomllib.loads(offered(*commands)) == {"setup": commands, "validate": ["pytest"]}
    assert offered("uv pip install tiny", maker="") == ""
    assert offered("echo \u202e hidden") == ""
    assert offered("x" * 20_000) == ""


@pytest.mark.parametrize(
    ("proof", "first"),
    [
        (
            Proof(
                tests=(
                    ProofTest(id="test_a", without_change="failed", with_change="passed"),
                    ProofTest(id="test_b", without_change="failed", with_change="passed"),
                ),
                shown=True,
            ),
            "- `test_a` and 1 more: fails without this change, passes with it.",
        ),
        (
            Proof(
                tests=(
                    ProofTest(id="test_a", without_change="not_importable", with_change="passed"),
                )
            ),
            "- No test shows this change. `test_a`: cannot be imported without it.",
        ),
        (
            Proof(
                tests=(ProofTest(id="test_a", without_change="passed", with_change="passed"),),
                not_tried=("a.rs",),
            ),
            "- No test shows this change. Not tried without this change: the tests in `a.rs`.",
        ),
        (Proof(), "- No test shows this change."),
        (Proof(not_tried=("a.rs",)), "- Not tried without this change: the tests in `a.rs`."),
        (None, "- `make`: stopped after 300 s, 7 passed"),
    ],
)
def test_what_the_tests_show_is_the_first_line_of_the_validation(
    proof: Proof | None, first: str
) -> None:
    report = CommandReport(
        command="make", exit_code=None, status="stopped", duration_ms=300_000, counts="7 passed"
    )
    validation = Validation(status="passed", commands=(report,), proof=proof, flaky=("test_slow",))
    text = pull_request.body(publication(validation=validation))
    assert text.partition("**Validation**\n")[2].startswith(first)
    assert "Flaky, passes or fails with and without it: `test_slow`" in text
