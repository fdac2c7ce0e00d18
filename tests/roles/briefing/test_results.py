"""How a validation is told to the reviewer and the fixer."""

from graph.values import CommandReport, Proof, ProofTest, Validation, ValidationFinding
from roles.briefing import sections as briefing

STOPPED = CommandReport(
    command="pytest",
    exit_code=None,
    status="stopped",
    duration_ms=300_000,
    counts="1451 passed",
    limit="time",
)


def test_a_stopped_check_is_told_as_stopped_with_how_far_it_came() -> None:
    told = briefing.results(Validation(status="unavailable", commands=(STOPPED,)))
    assert "`pytest` was stopped by its time limit after 300 s, after it reported 1451" in told
    assert "failed" not in told


def test_flaky_tests_are_nobody_s_to_fix() -> None:
    told = briefing.failures(Validation(status="passed", flaky=("test_slow",)))
    assert "nobody's to fix" in told
    assert "test_slow" in told


def test_the_reviewer_is_asked_about_a_missing_entry() -> None:
    lacking = ValidationFinding(rule="changelog", severity="warning", message="No entry.")
    told = briefing.results(Validation(status="passed", findings=(lacking,)))
    assert "asks of each change" in told
    assert "No entry." in told


def test_the_reviewer_is_told_what_the_tests_show() -> None:
    failed = ProofTest(id="test_a", without_change="failed", with_change="passed")
    idle = ProofTest(id="test_b", without_change="passed", with_change="passed")
    for proof, words in (
        (Proof(tests=(failed, idle), shown=True), "A test fails without this change"),
        (Proof(tests=(idle,)), "No test shows this change"),
        (Proof(), "No test shows this change"),
        (Proof(not_tried=("a.rs",)), "is not known: these files hold its tests.\n"),
    ):
        told = briefing.results(Validation(status="passed", proof=proof))
        assert words in told
    assert "test shows" not in briefing.results(Validation(status="passed"))
