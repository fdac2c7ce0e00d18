"""The set-up turn: when it is taken, what counts of it, what it may cost, who takes it again."""

import time
from pathlib import Path

import pytest

from graph.environment import KEPT_S, LACKS_SERVICE
from graph.environment_record import repo_of
from graph.errors import ClaudeUnavailable, RoleSuperseded
from graph.machine.setup_turn import readiness
from graph.spending import Spend
from graph.state import Limits
from graph.tasks import SetupResult
from graph.values import CommandReport, FolderCommand
from sandbox.environments import LocalEnvironmentRecords
from tests.standins.services.scripted_services import BASE, FAILED, MEND, PASSED, SPEND, Script
from tests.support.graph.driven import REQUEST, Driven

LACK = "No module named 'tiny'"
FOUND = SetupResult(commands=(FolderCommand(command=MEND),), spend=SPEND)
NOTHING = SetupResult(reason="It needs a satellite.", spend=SPEND)


@pytest.fixture
def records(tmp_path: Path) -> LocalEnvironmentRecords:
    return LocalEnvironmentRecords(tmp_path / "environments", kept=())


def lacking(*turns: SetupResult | Exception, **more: object) -> Script:
    return Script(turns=list(turns), lack=LACK, **more)  # type: ignore[arg-type]


def roles(script: Script) -> list[str]:
    return [task.role for task in script.tasks]


async def test_it_comes_before_the_coder_and_counts_like_any_role() -> None:
    script = lacking(FOUND)
    driven = Driven(script)
    await driven.run()
    assert roles(script) == ["planner", "setup", "coder", "reviewer"]
    assert [task.step for task in script.tasks] == [1, 2, 3, 4]
    assert len({task.fence for task in script.tasks}) == 4
    assert driven.state["spent"] == SPEND + SPEND + SPEND + SPEND
    (_, turn, coder, _) = script.tasks
    assert turn.budget.spent == SPEND
    assert coder.budget.spent == SPEND + SPEND
    assert turn.baseline
    assert turn.baseline.commands[0].lacking == LACK
    assert (turn.prompt, turn.change, turn.plan) == ("", None, None)
    assert coder.environment
    assert coder.environment.maker == "run-00000001"
    assert [command.command for command in coder.environment.commands] == [MEND]
    assert [event["status"] for event in driven.said("baseline.finished")] == ["failed", "passed"]
    assert script.published[0].environment == coder.environment


@pytest.mark.parametrize(
    ("output", "ready"), [("bash: pytest: not found", False), (f"{LACKS_SERVICE}redis ended", True)]
)
def test_no_turn_looks_for_a_service(output: str, ready: bool) -> None:
    ended = CommandReport(
        command="x", exit_code=None, status="unavailable", duration_ms=1, output=output
    )
    found = ended.model_copy(update={"status": "passed"})
    assert (readiness(ended) == readiness(found)) == ready


def test_a_check_comes_further_by_what_it_says_of_itself() -> None:
    passed = CommandReport(command="x", exit_code=0, status="passed", duration_ms=1)
    failed = passed.model_copy(update={"exit_code": 1, "status": "failed"})
    some = failed.model_copy(update={"lacking": LACK})
    none = some.model_copy(update={"loaded": False})
    unavailable = failed.model_copy(update={"status": "unavailable", "exit_code": None})
    stopped = failed.model_copy(update={"status": "stopped", "lacking": LACK})
    reports = (unavailable, none, some, failed, passed, stopped)
    assert [readiness(report) for report in reports] == [0, 0, 1, 2, 2, 2]


async def test_what_is_known_late_is_found_before_the_change_is_judged() -> None:
    script = lacking(FOUND, late_baseline=True, patience_s=0.0, validations=[FAILED, PASSED])
    driven = Driven(script)
    await driven.run()
    steps = [("planner", 1), ("coder", 2), ("setup", 3), ("fixer", 4), ("reviewer", 5)]
    assert [(task.role, task.step) for task in script.tasks] == steps
    assert script.renewed == 1
    assert [tree for tree in script.begun if tree.startswith("review")] == ["review-5"]
    assert script.tasks[2].budget.spent == SPEND + SPEND
    assert [setup[-1].command for setup in script.setups_asked] == [MEND, MEND]
    assert script.tasks[3].environment == driven.state["environment"]
    assert driven.state["spent"].turns == 5


async def test_a_turn_before_the_checks_leaves_no_tree_that_nobody_opens() -> None:
    script = lacking(FOUND, late_baseline=True, patience_s=0.0)
    await Driven(script).run()
    assert [(task.role, task.step) for task in script.tasks[2:]] == [("setup", 3), ("reviewer", 4)]
    assert [tree for tree in script.begun if tree.startswith("review")] == ["review-4"]


@pytest.mark.parametrize("named", [{"setup": ["asked"]}, {"validate_only": True}])
async def test_what_the_caller_names_needs_none(named: dict[str, object]) -> None:
    script = lacking(FOUND)
    await Driven(script).run({**REQUEST, **named})
    assert roles(script) == ["planner", "coder", "reviewer"]


async def test_it_has_a_tenth_of_the_money_and_ten_minutes() -> None:
    script = lacking(FOUND)
    await Driven(script, Limits(max_cost_usd=2, max_tokens=1000, timeout_s=3600)).run()
    budget = script.tasks[1].budget
    assert budget.max_cost_usd == pytest.approx(0.2 + 0.01)
    assert budget.max_tokens == 100 + SPEND.usage.tokens
    assert budget.deadline - time.time() <= 600
    unlimited = lacking(FOUND)
    await Driven(unlimited, Limits(max_cost_usd=0, max_tokens=0, timeout_s=60)).run()
    budget = unlimited.tasks[1].budget
    assert (budget.max_cost_usd, budget.max_tokens) == (None, None)
    assert budget.deadline - time.time() <= 60


@pytest.mark.parametrize(
    ("turn", "told"),
    [
        (NOTHING, "found no commands: It needs a satellite."),
        (FOUND.model_copy(update={"commands": (FolderCommand(command="exit 7"),)}), "`exit 7`"),
        (FOUND.model_copy(update={"commands": (FolderCommand(command="no"),)}), LACK),
        (NOTHING.model_copy(update={"stopped": "budget"}), "its share of the run's money"),
        (NOTHING.model_copy(update={"stopped": "turns"}), "all its turns"),
        (NOTHING.model_copy(update={"stopped": "time"}), "its time was over"),
    ],
)
async def test_a_failure_is_told_and_kept_for_others(
    records: LocalEnvironmentRecords, turn: SetupResult, told: str
) -> None:
    script = lacking(turn, records=records)
    driven = Driven(script)
    await driven.run()
    assert driven.state["outcome"].status == "succeeded"
    [left] = driven.said("environment.ready")[-1]["leftOut"]
    assert told in left["why"]
    assert "run-00000001" in left["why"]
    again = lacking(FOUND, records=records)
    other = Driven(again)
    other.config["configurable"]["thread_id"] = "run-00000002"
    await other.run()
    assert roles(again) == ["planner", "coder", "reviewer"]
    assert other.said("environment.ready")[-1]["leftOut"] == [left]
    mended = Driven(Script(records=records))
    mended.config["configurable"]["thread_id"] = "run-00000003"
    await mended.run()
    assert [event["leftOut"] for event in mended.said("environment.ready")] == [[]]
    reaching = lacking(FOUND, records=records, hosts="more.example")
    await Driven(reaching).run()
    assert roles(reaching) == ["planner", "setup", "coder", "reviewer"]


async def test_a_recipe_that_brought_a_part_is_not_added_to_by_later_runs(
    records: LocalEnvironmentRecords,
) -> None:
    await Driven(lacking(FOUND, records=records, loads=False, mends_a_part=True)).run()
    (recipe,) = (await records.recipes(repo_of(BASE))).kept
    assert (recipe.failure, recipe.reached) == ("", 1)
    script = lacking(FOUND, records=records, loads=False, mends_a_part=True)
    other = Driven(script)
    other.config["configurable"]["thread_id"] = "run-00000002"
    await other.run()
    assert roles(script) == ["planner", "coder", "reviewer"]
    assert script.tasks[1].environment
    assert script.tasks[1].environment.maker == "run-00000001"


@pytest.mark.parametrize(
    "turn",
    [
        ClaudeUnavailable("It does not answer."),
        NOTHING.model_copy(update={"stopped": "budget", "spend": Spend()}),
    ],
)
async def test_a_turn_that_was_none_is_not_kept(
    records: LocalEnvironmentRecords, turn: SetupResult | Exception
) -> None:
    script = lacking(turn, records=records)
    driven = Driven(script)
    await driven.run()
    assert driven.state["outcome"].status == "succeeded"
    assert (await records.recipes(repo_of(BASE))).kept == ()
    if isinstance(turn, Exception):
        assert driven.state["spent"] == SPEND + SPEND + SPEND + SPEND  # what it had cost by then


async def test_a_turn_that_the_end_of_the_run_cut_short_is_not_kept(
    records: LocalEnvironmentRecords,
) -> None:
    script = lacking(NOTHING.model_copy(update={"stopped": "time"}), records=records)
    await Driven(script, Limits(timeout_s=60)).run()
    assert (await records.recipes(repo_of(BASE))).kept == ()


async def test_a_newer_call_ends_the_run_of_the_older() -> None:
    driven = Driven(lacking(RoleSuperseded("Another call has taken over.")))
    await driven.run()
    assert driven.state["failure"].code == "role_superseded"


async def test_a_recipe_is_used_for_thirty_days(records: LocalEnvironmentRecords) -> None:
    await Driven(lacking(FOUND, records=records, clock=lambda: 1000.0)).run()

    async def later(seconds: float) -> Script:
        script = lacking(FOUND, records=records, clock=lambda: 1000.0 + seconds)
        driven = Driven(script)
        driven.config["configurable"]["thread_id"] = "run-00000002"
        await driven.run()
        return script

    used = await later(KEPT_S - 1)
    assert roles(used) == ["planner", "coder", "reviewer"]
    assert used.tasks[1].environment
    assert used.tasks[1].environment.maker == "run-00000001"
    assert roles(await later(KEPT_S)) == ["planner", "setup", "coder", "reviewer"]


async def test_commands_that_fail_now_are_looked_for_anew(
    records: LocalEnvironmentRecords,
) -> None:
    gone = FOUND.model_copy(update={"commands": (FolderCommand(command=MEND),)})
    await Driven(lacking(gone, records=records)).run()
    (recipe,) = (await records.recipes(repo_of(BASE))).kept
    failing = recipe.model_copy(update={"commands": (FolderCommand(command="exit 1"),)})
    await records.put_recipe(repo_of(BASE), failing)
    script = lacking(FOUND, records=records)
    driven = Driven(script)
    driven.config["configurable"]["thread_id"] = "run-00000002"
    await driven.run()
    assert roles(script) == ["planner", "setup", "coder", "reviewer"]
    assert (await records.recipes(repo_of(BASE))).kept[-1].run_id == "run-00000002"


async def test_a_run_that_ended_after_its_turn_counts_it_once_and_keeps_its_steps(
    records: LocalEnvironmentRecords,
) -> None:
    """The coder fails in the same node, so that nothing of the turn came into the state."""
    script = lacking(FOUND, records=records, changes=[ClaudeUnavailable("Gone."), "change"])
    driven = Driven(script)
    await driven.run()
    assert driven.state["failure"].code == "claude_unavailable"
    assert driven.state["spent"] == SPEND
    await driven.resume(Limits())
    assert driven.state["outcome"].status == "succeeded"
    steps = [(task.role, task.step) for task in script.tasks]
    turn_and_coder = [("setup", 2), ("coder", 3)]
    assert steps == [("planner", 1), *turn_and_coder, *turn_and_coder, ("reviewer", 4)]
    assert driven.state["spent"] == SPEND + SPEND + SPEND + SPEND
    assert script.mended == [BASE.sha, BASE.sha]  # by the turn, then from what is kept


async def test_a_coder_that_is_resumed_as_its_step_takes_no_second_turn(
    records: LocalEnvironmentRecords,
) -> None:
    script = lacking(FOUND, records=records, changes=["budget", "change"])
    driven = Driven(script)
    script.same_tree = True
    await driven.run()
    await driven.resume(Limits(max_cost_usd=50))
    assert roles(script).count("setup") == 1
    assert driven.state["spent"].turns == len({task.step for task in script.tasks})


async def test_forgetting_forgets_recipes(records: LocalEnvironmentRecords) -> None:
    assert not await records.forget(repo_of(BASE))
    await Driven(lacking(NOTHING, records=records)).run()
    assert (await records.recipes(repo_of(BASE))).kept
    assert await records.forget(repo_of(BASE))
    assert (await records.recipes(repo_of(BASE))).kept == ()
