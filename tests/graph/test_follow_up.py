"""Runs that go on with a pull request, over scripted services."""

from pathlib import Path
from typing import Any

import pytest

from graph.errors import InvalidRequest
from graph.machine.follow_up import PLAN
from graph.publication import GateFinding, GateReport
from graph.request.pull_address import PullAddress
from graph.request.request_rules import RequestRules
from graph.request.run_request import RunRequest
from graph.tasks import SetupResult
from graph.values import Finding, Review, commands_of
from sandbox.environments import LocalEnvironmentRecords
from tests.standins.services.scripted_services import (
    APPROVED,
    BASE,
    FAILED,
    MEND,
    PULL_BASE,
    REJECTED,
    SPEND,
    Script,
)
from tests.support.graph.driven import REQUEST, Driven

URL = "https://github.com/octocat/hello/pull/7"
ON_PULL: RunRequest = {**REQUEST, "pull_request_url": URL}


async def test_a_pull_requests_head_is_what_the_change_starts_from() -> None:
    script = Script()
    driven = Driven(script)
    state = await driven.run(ON_PULL)
    assert driven.nodes == ["prepare", "plan", "code", "validate", "review", "publish"]
    assert state["base"].sha == PULL_BASE.sha
    assert {task.base.trusted_base.sha for task in script.tasks} == {BASE.sha}
    assert script.published[0].branch == "greet"


async def test_a_run_that_follows_another_needs_no_planner() -> None:
    script = Script(validations=[FAILED])
    driven = Driven(script)
    state = await driven.run({**ON_PULL, "parent_run_id": "run-00000000"})
    assert driven.nodes[:3] == ["prepare", "code", "validate"]
    assert next(task.role for task in script.tasks) == "coder"
    assert state["plan"] == PLAN
    assert PLAN.route == "short"


async def test_a_plan_that_is_to_be_approved_is_made_all_the_same() -> None:
    driven = Driven(Script())
    await driven.run({**ON_PULL, "parent_run_id": "run-00000000", "approve_plan": True})
    assert driven.nodes == ["prepare", "plan", "approve"]


async def test_no_set_up_turn_is_taken_and_nothing_is_remembered_of_a_head(
    tmp_path: Path,
) -> None:
    def lacking(name: str) -> Script:
        turn = SetupResult(commands=commands_of((MEND,)), spend=SPEND)
        return Script(
            lack="No module named x",
            turns=[turn],
            records=LocalEnvironmentRecords(tmp_path / name, kept=()),
        )

    plain, on_pull = lacking("plain"), lacking("pull")
    await Driven(plain).run(REQUEST)
    await Driven(on_pull).run(ON_PULL)
    assert "setup" in {task.role for task in plain.tasks}
    assert "setup" not in {task.role for task in on_pull.tasks}
    assert plain.records
    assert await plain.records.get("octocat/hello")
    assert on_pull.records
    assert await on_pull.records.get("octocat/hello") is None


@pytest.mark.parametrize("review", [APPROVED, REJECTED])
async def test_a_review_alone_is_handed_over_and_nothing_is_published(review: Review) -> None:
    script = Script(reviews=[review])
    driven = Driven(script)
    state = await driven.run({**ON_PULL, "review_only": True})
    assert driven.nodes == ["prepare", "review", "publish"]
    (task,) = script.tasks
    assert (task.role, task.base.sha) == ("reviewer", "e" * 40)
    assert task.change
    assert task.change.role == "pull"
    assert (script.reviewed, script.published) == ([review], [])
    assert state["outcome"].status == "succeeded"
    assert [told["number"] for told in driven.said("pr.updated")] == [7]
    assert not driven.said("gate.finished")


async def test_a_review_that_ran_out_of_money_is_none() -> None:
    script = Script(reviews=["budget"])
    state = await Driven(script).run({**ON_PULL, "review_only": True})
    assert state["outcome"].status == "budget_exhausted"
    assert script.reviewed == []


MERGE: RunRequest = {**ON_PULL, "merge_base": True}
CONFLICT = Finding(severity="error", path="a.py", message="CONFLICT (content): in a.py")


async def test_conflicts_with_the_base_branch_go_to_the_fixer_first() -> None:
    script = Script(merge_conflicts=(CONFLICT,))
    driven = Driven(script)
    state = await driven.run(MERGE)
    assert driven.nodes == ["prepare", "fix", "validate", "review", "publish"]
    fixer = next(task for task in script.tasks if task.role == "fixer")
    assert fixer.review
    assert fixer.review.findings == (CONFLICT,)
    assert fixer.environment
    assert fixer.change
    assert fixer.change.role == "pull"
    (published,) = script.published
    assert (published.base.sha, published.branch) == (BASE.sha, "greet")
    assert published.base.pull
    assert published.base.pull.merged
    assert published.base.pull.merged.sha == PULL_BASE.sha
    assert [raised.message for raised in published.account.raised] == [CONFLICT.message]
    assert state["outcome"].status == "succeeded"


async def test_markers_that_are_left_go_to_the_fixer_again() -> None:
    left = GateFinding(rule="conflict", severity="error", path="a.py", message="has markers")
    held = GateReport(passed=False, findings=(left,))
    script = Script(merge_conflicts=(CONFLICT,), gates=[held, GateReport(passed=True)])
    driven = Driven(script)
    await driven.run(MERGE)
    nodes = ["prepare", "fix", "validate", "review", "fix", "validate", "review", "publish"]
    assert driven.nodes == nodes


async def test_what_merges_without_a_conflict_is_left_to_its_merge() -> None:
    script = Script()
    driven = Driven(script)
    state = await driven.run(MERGE)
    assert driven.nodes == ["prepare"]
    assert (state["outcome"].status, script.tasks) == ("no_changes", [])
    assert "without a conflict" in state["explanation"]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"pull_request_url": "https://github.com/octocat/hello"}, "pullRequest"),
        ({"pull_request_url": f"{URL}0000000000000"}, "pullRequest"),
        ({"pull_request_url": f"{URL}\n"}, "pullRequest"),
        ({"pull_request_url": "https://github.com/octocat/other/pull/7"}, "repoUrl"),
        ({"pull_request_url": URL, "base_branch": "main"}, "baseBranch"),
        ({"pull_request_url": URL, "branch": "agent/mine"}, "branch"),
        ({"pull_request_url": URL, "review_only": True, "approve_plan": True}, "approvePlan"),
        ({"review_only": True}, "reviewOnly"),
        ({"merge_base": True}, "mergeBase"),
        ({"pull_request_url": URL, "merge_base": True, "review_only": True}, "mergeBase"),
        ({"pull_request_url": URL, "merge_base": True, "approve_plan": True}, "approvePlan"),
    ],
)
def test_what_does_not_fit_together_is_told_by_its_field(given: dict[str, Any], field: str) -> None:
    request: Any = {**REQUEST, **given}
    with pytest.raises(InvalidRequest) as told:
        RequestRules(any_branch=True).check(request)
    assert told.value.field == field


@pytest.mark.parametrize("end", ["", "/", "/files", "/commits?x=1", "#issuecomment-3"])
def test_an_address_is_read_from_any_tab_of_the_page(end: str) -> None:
    assert PullAddress.parse(URL + end) == PullAddress("https://github.com/octocat/hello", 7)
