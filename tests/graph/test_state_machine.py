"""The state machine over scripted services: every way a run can go and end."""

import time
from typing import Any

import pytest
from langgraph.types import Command

from graph.errors import BranchNotFound, PushBlocked, PushRejected
from graph.publication import GateFinding, GateReport
from graph.request.request_rules import RequestRules
from graph.state import Limits
from graph.values import CommandReport, Plan, ReportStatus, ValidationFinding, commands_of
from tests.standins.services.scripted_services import (
    APPROVED,
    FAILED,
    PASSED,
    REJECTED,
    SPEND,
    UNAVAILABLE,
    Script,
)
from tests.support.graph.driven import REQUEST, Driven


async def test_success_at_first_try() -> None:
    script = Script()
    driven = Driven(script)
    state = await driven.run()
    assert driven.nodes == ["prepare", "plan", "code", "validate", "review", "publish"]
    assert state["outcome"].status == "succeeded"
    assert state["spent"].usage.tokens == 3 * SPEND.usage.tokens
    beside = ("environment.ready", "baseline.finished")
    assert [event["type"] for event in driven.events if event["type"] not in beside] == [
        "role.text",
        "plan.ready",
        "role.text",
        "change.updated",
        "validation.finished",
        "review.finished",
        "gate.finished",
        "pr.created",
    ]
    assert all(event["key"] for event in driven.events if event["type"] != "role.text")
    publication = script.published[0]
    assert not publication.draft
    assert publication.remaining == ()
    assert publication.branch == "agent/coder-title-00000001"
    assert script.closed == [("run-00000001", False)]


async def test_fix_after_failing_checks_and_after_review() -> None:
    script = Script(
        changes=["one", "two", "three"],
        validations=[FAILED, PASSED, PASSED],
        reviews=[REJECTED, APPROVED],
    )
    driven = Driven(script)
    state = await driven.run()
    assert driven.nodes[2:] == [
        "code", "validate", "fix", "validate", "review", "fix", "validate", "review", "publish",
    ]  # fmt: skip
    assert state["outcome"].status == "succeeded"
    assert state["rounds"] == 2
    first_fix, second_fix = [task for task in script.tasks if task.role == "fixer"]
    assert first_fix.validation == FAILED
    assert first_fix.review is None
    assert second_fix.review == REJECTED
    steps = [task.step for task in script.tasks]
    fences = [task.fence for task in script.tasks]
    assert steps == list(range(1, 7))
    assert fences == sorted(set(fences))
    published = script.published[0].change
    assert (published.title, published.summary) == ("fixer title", "fixer summary")


@pytest.mark.parametrize(
    ("script", "left"),
    [
        (Script(validations=[FAILED]), "Still fails: test_a"),
        (Script(reviews=[REJECTED]), "Review: The edge case is missing"),
    ],
    ids=["validation", "review"],
)
async def test_rounds_spent_is_a_draft_that_says_what_is_left(script: Script, left: str) -> None:
    driven = Driven(script, Limits(max_fix_rounds=2))
    state = await driven.run()
    assert driven.nodes.count("fix") == 2
    assert (state["outcome"].status, state["outcome"].reason) == (
        "incomplete",
        "fix_rounds_exhausted",
    )
    assert script.published[0].draft
    assert left in script.published[0].remaining


async def test_no_runnable_check_is_reviewed_and_published_as_a_draft() -> None:
    script = Script(validations=[UNAVAILABLE])
    state = await Driven(script).run()
    assert (state["outcome"].status, state["outcome"].reason) == ("incomplete", "not_validated")
    assert script.published[0].draft


async def test_what_the_request_is_about_reaches_the_publication() -> None:
    script = Script()
    asked = {"closes": 41, "answers": [50, 51], "reviewers": ["ada"]}
    await Driven(script).run({**REQUEST, **asked})
    (published,) = script.published
    assert (published.closes, published.answers, published.reviewers) == (41, (50, 51), ("ada",))


async def test_a_fixer_who_changes_nothing_that_fails_causes_no_other_validation() -> None:
    script = Script(validations=[FAILED, PASSED], same_tree=True)
    driven = Driven(script)
    state = await driven.run()
    assert driven.nodes == ["prepare", "plan", "code", "validate", "fix", "publish"]
    assert (state["outcome"].status, state["outcome"].reason) == (
        "incomplete",
        "fix_rounds_exhausted",
    )
    assert "Still fails: test_a" in script.published[0].remaining


async def test_what_passed_and_was_not_changed_since_is_reviewed_again_but_not_validated() -> None:
    script = Script(reviews=[REJECTED, APPROVED], same_tree=True)
    driven = Driven(script)
    state = await driven.run()
    assert driven.nodes[3:] == ["validate", "review", "fix", "review", "publish"]
    assert state["outcome"].status == "succeeded"
    assert len(driven.said("validation.finished")) == 1


async def test_documents_alone_need_no_check() -> None:
    script = Script(validations=[UNAVAILABLE.model_copy(update={"needed": False})])
    state = await Driven(script).run()
    assert state["outcome"].status == "succeeded"
    assert not script.published[0].draft
    assert script.published[0].remaining == ()


def report(status: ReportStatus, command: str = "make test") -> CommandReport:
    return CommandReport(
        command=command,
        exit_code=None,
        status=status,
        duration_ms=300_000,
        counts="1451 passed",
        limit="time",
    )


@pytest.mark.parametrize(
    ("reports", "reason"),
    [
        ((report("stopped"),), "checks_stopped"),
        ((report("unavailable"), report("stopped", "ruff check .")), "not_validated"),
    ],
)
async def test_a_main_check_that_was_stopped_is_its_own_reason_and_is_validated_again(
    reports: tuple[CommandReport, ...], reason: str
) -> None:
    script = Script(validations=[UNAVAILABLE.model_copy(update={"commands": reports}), PASSED])
    driven = Driven(script)
    state = await driven.run()
    assert (state["outcome"].status, state["outcome"].reason) == ("incomplete", reason)
    (left,) = script.published[0].remaining
    assert left.endswith("was stopped after 300 s; until then it reports 1451 passed.")
    driven.nodes.clear()
    state = await driven.resume(Limits())
    assert driven.nodes == ["validate", "review", "publish"]
    assert state["outcome"].status == "succeeded"


async def test_validation_has_a_share_of_the_run_s_time() -> None:
    script = Script()
    started = time.time()
    await Driven(script, Limits(timeout_s=1000)).run()
    assert started + 400 < script.validation_deadlines[0] < started + 600


async def test_nothing_to_do() -> None:
    script = Script(plans=[None])
    driven = Driven(script)
    state = await driven.run()
    assert state["outcome"].status == "no_changes"
    assert driven.nodes == ["prepare", "plan"]
    assert script.published == []


async def test_a_repository_that_wants_no_such_contributions_ends_it_before_the_coder() -> None:
    script = Script(refusal="AI_POLICY.md: “We take none.”")
    driven = Driven(script)
    state = await driven.run()
    assert (state["outcome"].status, state["outcome"].reason) == (
        "rejected",
        "contributions_refused",
    )
    assert state["explanation"] == "AI_POLICY.md: “We take none.”"
    assert driven.nodes == ["prepare", "plan"]
    assert (script.published, script.closed) == ([], [("run-00000001", False)])


async def test_an_empty_change_ends_without_a_pull_request() -> None:
    script = Script(changes=[None])
    state = await Driven(script).run()
    assert (state["outcome"].status, state["outcome"].reason) == ("no_changes", "empty_change")
    assert state["explanation"] == "coder summary"


async def test_the_plan_waits_is_revised_and_approved_with_an_edit() -> None:
    script = Script(plans=[Plan(summary="one"), Plan(summary="two")])
    driven = Driven(script)
    await driven.run({**REQUEST, "approve_plan": True})
    assert driven.nodes == ["prepare", "plan", "approve"]
    await driven.run(Command(resume={"decision": "revise", "feedback": "smaller"}))
    assert script.tasks[1].feedback == "smaller"
    assert script.tasks[1].plan == Plan(summary="one")
    state = await driven.run(
        Command(resume={"decision": "approve", "plan": {"summary": "mine", "validate": ["true"]}})
    )
    assert state["outcome"].status == "succeeded"
    assert state["plan"].summary == "mine"
    assert [check.command for check in script.checks_asked[0]] == ["make test", "true"]


@pytest.mark.parametrize("odd", ["yes please", {"decision": "maybe"}, 5])
async def test_what_is_no_answer_is_asked_about_again(odd: object) -> None:
    driven = Driven(Script())
    await driven.run({**REQUEST, "approve_plan": True})
    await driven.run(Command(resume=odd))
    (asked,) = (await driven.graph.aget_state(driven.config)).interrupts
    assert asked.value["planId"] == "plan-1"
    assert asked.value["error"]
    state = await driven.run(Command(resume={"decision": "approve"}))
    assert state["outcome"].status == "succeeded"


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ({"repoUrl": "x", "prompt": "p"}, "repo_url: Field required."),
        ({**REQUEST, "prompt": None}, "prompt: Field required."),
        ({**REQUEST, "validate": "make test"}, "validate: Input should be a valid list."),
        ({**REQUEST, "prompt": " "}, "The prompt is empty."),
    ],
)
async def test_an_odd_input_is_named(request_: Any, told: str) -> None:
    failure = (await Driven(Script()).run(request_))["failure"]
    assert failure
    assert (failure.code, failure.message) == ("invalid_request", told)


async def test_a_rejected_plan_ends_the_run() -> None:
    script = Script()
    driven = Driven(script)
    await driven.run({**REQUEST, "approve_plan": True})
    state = await driven.run(Command(resume={"decision": "reject"}))
    assert state["outcome"].status == "rejected"
    assert script.published == []


async def test_only_the_callers_checks() -> None:
    script = Script(plans=[Plan(summary="x", validate_=("extra",))])
    await Driven(script).run({**REQUEST, "validate": ["mine"], "validate_only": True})
    assert [check.command for check in script.checks_asked[0]] == ["mine"]


async def test_the_repositorys_set_up_comes_after_the_callers_and_its_notes_are_told() -> None:
    script = Script(setup=("own",), notes=("It has a file of settings.",))
    await Driven(script).run({**REQUEST, "setup": ["asked"]})
    ready = [task.environment for task in script.tasks if task.role != "planner"]
    assert [made.setup for made in ready if made] == [commands_of(("asked", "own"))] * 2
    assert script.setups_asked == [commands_of(("asked", "own"))]
    assert script.published[0].base.notes == ("It has a file of settings.",)


async def test_a_check_that_failed_before_is_said_to_be_no_validation() -> None:
    known = UNAVAILABLE.model_copy(update={"known_failures": ("make test",)})
    script = Script(validations=[known])
    state = await Driven(script).run()
    assert (state["outcome"].status, state["outcome"].reason) == ("incomplete", "not_validated")
    (left,) = script.published[0].remaining
    assert left.startswith("Not validated: every check")


async def test_a_change_that_was_not_set_up_says_why_it_is_not_validated() -> None:
    told = "set-up reads `go.mod`, and was not made anew"
    finding = ValidationFinding(rule="stale", severity="warning", path="go.mod", message=told)
    script = Script(validations=[UNAVAILABLE.model_copy(update={"findings": (finding,)})])
    await Driven(script).run()
    assert script.published[0].remaining == (f"Not validated: {told}.",)


async def test_the_gate_blocks_and_nothing_is_published() -> None:
    finding = GateFinding(severity="error", rule="secret", path="a.py", message="a token")
    script = Script(gates=[GateReport(passed=False, findings=(finding,))])
    driven = Driven(script)
    state = await driven.run()
    assert state["outcome"].status == "blocked"
    assert script.published == []
    assert driven.said("gate.finished")[0]["findings"][0]["rule"] == "secret"
    assert script.tasks[-1].gate == (finding,)
    assert script.closed == [("run-00000001", True)]


async def test_what_the_forge_refuses_in_the_change_blocks_the_run_until_it_passes() -> None:
    finding = GateFinding(severity="error", rule="push_protection", path="a.py", line=3, message="")
    script = Script(publish_error=PushBlocked("refused", "take it out", (finding,)))
    driven = Driven(script)
    for _ in range(2):
        state = await (driven.resume(Limits()) if driven.events else driven.run())
        assert state["outcome"].status == "blocked"
        assert state["gate"] == GateReport(passed=False, findings=(finding,))
        assert not driven.said("gate.finished")[-1]["passed"]
    assert driven.said("gate.finished")[-1]["findings"][0]["line"] == 3
    script.publish_error = None
    state = await driven.resume(Limits())
    assert state["outcome"].status == "succeeded"
    told = driven.said("gate.finished")
    assert [gate["passed"] for gate in told] == [True, False, False, True]
    assert told[1]["key"] == told[2]["key"] != told[3]["key"] != told[0]["key"]


async def test_a_conflict_with_a_base_that_moved_is_not_done_and_looked_at_again() -> None:
    script = Script(conflicts=("a.py",))
    driven = Driven(script)
    state = await driven.run()
    assert (state["outcome"].status, state["outcome"].reason) == ("incomplete", "base_conflict")
    script.conflicts = ()
    driven.nodes.clear()
    state = await driven.resume(Limits())
    assert driven.nodes == ["publish"]
    assert state["outcome"].status == "succeeded"


async def test_a_spent_budget_publishes_a_validated_draft_and_resumes_in_the_same_step() -> None:
    script = Script(changes=["budget", "whole"])
    driven = Driven(script)
    state = await driven.run()
    assert state["outcome"].status == "budget_exhausted"
    assert driven.nodes == ["prepare", "plan", "code", "validate", "publish"]
    assert script.published[0].draft
    assert "budget of the run was spent in `code`" in script.published[0].remaining[0]
    state = await driven.resume(Limits(max_cost_usd=50))
    assert state["outcome"].status == "succeeded"
    coders = [task for task in script.tasks if task.role == "coder"]
    assert [task.step for task in coders] == [2, 2]
    assert coders[1].fence > coders[0].fence
    assert coders[1].budget.spent == coders[0].budget.spent
    assert coders[1].budget.max_cost_usd == 50


async def test_spent_tokens_are_told_apart_from_spent_money() -> None:
    script = Script(changes=["tokens"])
    outcome = (await Driven(script).run())["outcome"]
    assert (outcome.status, outcome.reason) == ("budget_exhausted", "tokens_spent")
    assert "tokens of the run were spent in `code`" in script.published[0].remaining[0]


async def test_a_planner_that_is_stopped_has_nothing_to_publish() -> None:
    script = Script(plans=["time"])
    state = await Driven(script).run()
    assert state["outcome"].status == "timed_out"
    assert script.published == []


async def test_spent_time_skips_validation() -> None:
    script = Script(changes=["time"])
    driven = Driven(script)
    state = await driven.run()
    assert state["outcome"].status == "timed_out"
    assert driven.nodes[-2:] == ["code", "publish"]


async def test_a_stopped_review_is_published_as_a_draft() -> None:
    script = Script(reviews=["budget"])
    state = await Driven(script).run()
    assert state["outcome"].status == "budget_exhausted"
    assert "The change was not reviewed." in script.published[0].remaining


@pytest.mark.parametrize(
    ("script", "node"),
    [(Script(changes=["turns"]), "code"), (Script(reviews=["turns", APPROVED]), "review")],
)
async def test_a_role_that_came_to_no_answer_leaves_a_draft_and_is_called_again(
    script: Script, node: str
) -> None:
    driven = Driven(script)
    state = await driven.run()
    assert (state["outcome"].status, state["outcome"].reason) == ("incomplete", "turns_exhausted")
    assert driven.nodes[-2:] == ["validate" if node == "code" else "review", "publish"]
    assert script.published[0].draft
    assert f"no answer within its turns in `{node}`" in script.published[0].remaining[0]
    script.changes = ["whole"]
    driven.nodes.clear()
    state = await driven.resume(Limits())
    assert driven.nodes[0] == node
    assert state["outcome"].status == "succeeded"
    again = [task.step for task in script.tasks if task.step == script.tasks[-1].step]
    assert len(again) == 2 if node == "review" else len(again) == 1


async def test_an_error_is_kept_with_its_node_and_resumed_there() -> None:
    script = Script(publish_error=PushRejected("refused", "do this"))
    driven = Driven(script)
    state = await driven.run()
    assert state["outcome"].status == "failed"
    failure = state["failure"]
    assert (failure.code, failure.node, failure.hint) == ("push_refused", "publish", "do this")
    script.publish_error = None
    driven.nodes.clear()
    state = await driven.resume(Limits())
    assert driven.nodes == ["publish"]
    assert state["outcome"].status == "succeeded"
    assert state["failure"] is None


async def test_a_failed_prepare_is_resumed_from_the_start() -> None:
    script = Script(prepare_error=BranchNotFound("no such branch"))
    driven = Driven(script)
    assert (await driven.run())["failure"].code == "branch_not_found"
    script.prepare_error = None
    assert (await driven.resume(Limits()))["outcome"].status == "succeeded"


async def test_a_foreign_exception_says_nothing_of_its_inside(
    caplog: pytest.LogCaptureFixture,
) -> None:
    script = Script(changes=[KeyError("inner detail")])
    state = await Driven(script).run()
    assert state["failure"].code == "internal"
    assert "inner detail" not in state["failure"].message
    assert "code" in caplog.text


async def test_rounds_spent_resumes_with_the_fixer() -> None:
    script = Script(validations=[FAILED, FAILED, PASSED])
    driven = Driven(script, Limits(max_fix_rounds=1))
    assert (await driven.run())["outcome"].status == "incomplete"
    driven.nodes.clear()
    state = await driven.resume(Limits(max_fix_rounds=2))
    assert driven.nodes == ["fix", "validate", "review", "publish"]
    assert state["outcome"].status == "succeeded"
    assert driven.said("pr.updated")


@pytest.mark.parametrize("prompt", ["", "  \n"])
async def test_an_empty_prompt_is_refused(prompt: str) -> None:
    state = await Driven(Script()).run({**REQUEST, "prompt": prompt})
    assert state["failure"].code == "invalid_request"


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"allow": ["workflows"]}, None),
        ({"allow": ["workflows", "codeowners"]}, "invalid_request"),
        ({"model": "claude-a"}, None),
        ({"model": "claude-b"}, "model_not_allowed"),
        ({"branch": "agent/topic"}, None),
        ({"branch": "topic"}, "branch_not_allowed"),
        ({"branch": "agent/a..b"}, "invalid_request"),
    ],
)
async def test_what_a_program_may_name_is_the_operators_too(
    asked: dict[str, Any], code: str | None
) -> None:
    rules = RequestRules(allow=("workflows",), models=("claude-a",))
    driven = Driven(Script(), rules=rules)
    state = await driven.run({**REQUEST, **asked})
    assert (state["failure"].code if state["failure"] else None) == code


async def test_a_model_without_a_price_is_told_before_the_plan() -> None:
    rules = RequestRules(role_models={"fixer": "house"}, has_price=lambda _: False)
    state = await Driven(Script(), rules=rules).run()
    assert (state["failure"].code, state["failure"].node) == ("price_unknown", "prepare")
    state = await Driven(Script(), rules=rules).run({**REQUEST, "max_tokens": 1_000_000})
    assert state["failure"] is None


async def test_a_thread_id_that_cannot_name_a_folder_is_refused() -> None:
    driven = Driven(Script())
    driven.config = {"configurable": {"thread_id": "../../etc"}}
    assert (await driven.run())["failure"].code == "invalid_request"


async def test_new_input_on_a_finished_thread_starts_afresh() -> None:
    script = Script(validations=[FAILED, PASSED])
    driven = Driven(script)
    assert (await driven.run())["rounds"] == 1
    state = await driven.run({**REQUEST, "prompt": "Another"})
    assert state["rounds"] == 0
    assert state["outcome"].status == "succeeded"
    assert state["head_branch"] == "agent/coder-title-00000001"
