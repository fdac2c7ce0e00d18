"""What a run knows of publishing before and while it publishes."""

from graph.errors import PushRejected
from graph.machine.publishing import raised_by
from graph.publication import GateFinding, GateReport
from graph.state import Limits, RunState
from graph.values import Failure, Finding, Review, Validation
from tests.standins.services.scripted_services import PASSED, Script
from tests.support.graph.driven import REQUEST, Driven


async def test_what_would_keep_a_change_from_being_published_ends_the_run_unpaid() -> None:
    script = Script(unpublishable=PushRejected("No branch can be made there.", "Rename it."))
    state = await Driven(script).run()
    assert state["failure"] == Failure(
        code="push_refused",
        message="No branch can be made there.",
        hint="Rename it.",
        node="prepare",
    )
    assert script.tasks == []


async def test_once_it_is_mended_the_run_goes_on() -> None:
    script = Script(unpublishable=PushRejected("No branch can be made there.", "Rename it."))
    driven = Driven(script)
    await driven.run()
    script.unpublishable = None
    assert (await driven.resume(Limits()))["outcome"].status == "succeeded"


async def test_what_a_reader_should_know_of_publishing_is_a_note_of_the_base() -> None:
    script = Script(publish_notes=("No workflow starts.",))
    assert "No workflow starts." in (await Driven(script).run())["base"].notes
    assert "No workflow starts." in script.published[0].base.notes


async def test_the_branch_has_the_name_of_the_change_before_it_is_pushed() -> None:
    script = Script(publish_error=PushRejected("Not now."))
    driven = Driven(script)
    assert (await driven.run())["head_branch"] == "agent/coder-title-00000001"
    script.publish_error = None
    state = await driven.resume(Limits())
    assert state["pull_request"].branch == state["head_branch"] == "agent/coder-title-00000001"


async def test_a_title_that_is_asked_for_names_the_branch() -> None:
    state = await Driven(Script()).run({**REQUEST, "title": "Répare l'accueil"})
    assert state["head_branch"] == "agent/repare-l-accueil-00000001"


async def test_a_branch_that_an_earlier_release_named_keeps_its_name() -> None:
    script = Script(publish_error=PushRejected("Not now."))
    driven = Driven(script)
    await driven.run()
    await driven.graph.aupdate_state(
        driven.config, {"branch": "agent/say-hello-00000001", "head_branch": ""}
    )
    script.publish_error = None
    state = await driven.resume(Limits())
    assert state["pull_request"].branch == "agent/say-hello-00000001"


LFS = GateReport(
    passed=False,
    findings=(GateFinding(rule="lfs", severity="error", path="a.png", message="is in Git LFS"),),
)
OPEN = GateReport(passed=True)


async def test_what_a_role_can_mend_goes_to_the_fixer_before_a_review_is_paid() -> None:
    script = Script(changes=["one", "two"], validations=[PASSED, PASSED], gates=[LFS, OPEN, OPEN])
    driven = Driven(script)
    state = await driven.run()
    assert driven.nodes == [
        *("prepare", "plan", "code", "validate", "review", "fix", "validate", "review", "publish")
    ]
    assert state["outcome"].status == "succeeded"
    assert [task.role for task in script.tasks] == ["planner", "coder", "fixer", "reviewer"]
    reviewed = f"review-{script.tasks[-1].step}"
    assert [tree for tree in script.begun if tree.startswith("review")] == [reviewed]
    fixing = script.tasks[2].review
    assert fixing
    assert [(one.path, one.message) for one in fixing.findings] == [("a.png", "It is in Git LFS.")]
    assert [event["verdict"] for event in driven.said("review.finished")] == [
        *("request_changes", "approve")
    ]


async def test_what_is_never_mended_is_blocked() -> None:
    script = Script(gates=[LFS, LFS])
    state = await Driven(script, Limits(max_fix_rounds=0)).run()
    assert state["outcome"].status == "blocked"
    assert script.published == []


def raised_in(rounds: list[tuple[list[str], list[str]]]) -> list[tuple[int, str]]:
    """Round and message of what is told of rounds: their failing checks, their findings."""
    state: RunState = {"repo_url": "", "prompt": ""}
    for failures, messages in rounds:
        findings = tuple(Finding(severity="error", message=message) for message in messages)
        verdict = "request_changes" if findings else "approve"
        state |= {
            "validation": Validation(status="failed", new_failures=tuple(failures)),
            "review": Review.model_validate({"verdict": verdict, "findings": findings}),
        }
        state["raised"] = raised_by(state)
    return [(each.round, each.message) for each in state["raised"]]


def test_what_fixers_were_called_for_is_told_once_and_in_order() -> None:
    rounds = [(["test_a", "test_b"], []), ([], ["Two callers."]), (["test_a"], [])]
    assert raised_in(rounds) == [(1, "test_b"), (2, "Two callers."), (3, "test_a")]


def test_of_too_much_that_was_raised_the_newest_is_told() -> None:
    many = [f"test_{number}" for number in range(39)]
    told = raised_in([(["old_a", "old_b"], []), (many, []), ([], ["Two callers."])])
    assert [message for _, message in told] == [*many, "Two callers."]
