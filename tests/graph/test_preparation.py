"""What is made ready beside the planner: who waits for it, who hears of it, and how it ends."""

from typing import Any

import pytest
from langgraph.types import Command

from graph.base_services import PreparationRequest
from graph.environment import LeftOut
from graph.errors import SandboxLost, SetupFailed
from graph.preparation import Preparation
from graph.state import Limits
from graph.values import CommandReport, Proof, ProofTest, Validation
from tests.standins.services.scripted_services import BASE, PASSED, Script
from tests.support.graph.driven import REQUEST, Driven
from tests.support.polling import until

KNOWN = Validation(
    status="failed",
    commands=(CommandReport(command="make test", exit_code=1, status="failed", duration_ms=5),),
    known_failures=("test_old",),
)


async def test_the_environment_is_told_and_every_later_role_has_it() -> None:
    script = Script(setup=("make deps",), left_out=(LeftOut(what="docs", why="No such host."),))
    driven = Driven(script)
    await driven.run({**REQUEST, "setup": ["asked"]})
    [ready] = driven.said("environment.ready")
    assert [command["command"] for command in ready["commands"]] == ["asked", "make deps"]
    assert ready["leftOut"] == [{"what": "docs", "why": "No such host."}]
    assert (ready["kept"], ready["tools"]) == (False, {})
    roles = {task.role: task.environment for task in script.tasks}
    assert roles["coder"] == roles["reviewer"] == driven.state["environment"]
    assert script.published[0].environment == driven.state["environment"]


async def test_the_planner_does_not_wait_for_set_up() -> None:
    script = Script(setup_s=0.2)
    driven = Driven(script)
    await driven.run()
    assert [task.role for task in script.tasks][:1] == ["planner"]
    assert script.tasks[0].environment is None
    said = [event["type"] for event in driven.events]
    assert said.index("plan.ready") < said.index("environment.ready")


async def test_nobody_waits_for_the_baseline_and_it_ends_with_the_run() -> None:
    script = Script(baseline_s=3600)
    driven = Driven(script)
    await driven.run()
    assert driven.state["outcome"].status == "succeeded"
    assert (driven.state["baseline"], script.baselines_open) == (None, 0)
    assert not driven.said("baseline.finished")


async def test_a_baseline_that_is_there_is_told_to_roles_and_readers() -> None:
    script = Script(baseline=KNOWN)
    driven = Driven(script)
    await driven.run()
    [told] = driven.said("baseline.finished")
    assert (told["status"], told["knownFailures"]) == ("failed", ["test_old"])
    assert script.tasks[-1].baseline == driven.state["baseline"] == KNOWN


async def test_set_up_of_the_caller_that_fails_ends_the_run_and_is_tried_again() -> None:
    script = Script(setup_error=SetupFailed("`make deps` failed.", command="make deps"))
    driven = Driven(script)
    await driven.run()
    assert driven.state["failure"].code == "setup_failed"
    assert driven.nodes[-1] == "code"
    script.setup_error = None
    await driven.resume(Limits())
    assert driven.state["outcome"].status == "succeeded"


async def test_a_baseline_that_cannot_be_had_stops_nothing() -> None:
    script = Script(baseline_error=SandboxLost("it is gone"))
    driven = Driven(script)
    await driven.run()
    assert driven.state["outcome"].status == "succeeded"


async def test_time_that_ends_in_set_up_ends_the_run_as_timed_out() -> None:
    driven = Driven(Script(setup_s=3600), Limits(timeout_s=1))
    await driven.run()
    assert (driven.state["outcome"].status, driven.nodes[-1]) == ("timed_out", "code")


async def test_time_counts_from_the_start_of_prepare() -> None:
    driven = Driven(Script(prepare_s=3600), Limits(timeout_s=1))
    await driven.run()
    assert (driven.state["outcome"].status, driven.nodes) == ("timed_out", ["prepare"])
    assert driven.state["stopped"].node == "prepare"


async def test_a_run_that_waits_for_an_answer_holds_nothing() -> None:
    script = Script(baseline_s=3600)
    driven = Driven(script)
    await driven.run({**REQUEST, "approve_plan": True})
    assert script.baselines_open == 0
    await driven.run(Command(resume={"decision": "approve"}))
    assert driven.state["outcome"].status == "succeeded"


async def test_the_proof_is_told() -> None:
    test = ProofTest(id="test_a", without_change="failed", with_change="passed")
    proven = PASSED.model_copy(update={"proof": Proof(tests=(test,), shown=True)})
    driven = Driven(Script(validations=[proven]))
    await driven.run()
    [told] = driven.said("proof.finished")
    assert told["tests"] == [{"id": "test_a", "withoutChange": "failed", "withChange": "passed"}]
    assert told["shown"] is True


async def test_what_is_said_while_no_node_listens_is_kept_for_the_next() -> None:
    preparation = Script().services().preparation
    preparation.begin(wanted())
    await until(lambda: all(preparation.ready("r")))
    heard: list[str] = []
    with preparation.heard_by("r", lambda event: heard.append(event.type)):
        pass
    assert heard == ["environment.ready", "baseline.finished"]
    with preparation.heard_by("r", lambda event: heard.append(event.type)):
        pass
    assert len(heard) == 2
    await preparation.close()


async def test_another_base_is_prepared_anew_and_the_same_is_not() -> None:
    script = Script()
    preparation = script.services().preparation
    first = await preparation.environment(wanted())
    assert await preparation.environment(wanted()) is first
    moved = BASE.model_copy(update={"moved": 1})
    await preparation.environment(wanted(moved))
    assert script.prepared == [BASE.sha, moved.sha]
    await preparation.close()


@pytest.mark.parametrize("by_close", [True, False])
async def test_its_end_ends_what_is_under_way(by_close: bool) -> None:
    script = Script(baseline_s=3600)
    preparation: Preparation = script.services().preparation
    await preparation.environment(wanted())
    await until(lambda: script.baselines_open > 0)
    await (preparation.close() if by_close else preparation.end("r"))
    assert script.baselines_open == 0
    assert preparation.ready("r") == (None, None)


def wanted(base: Any = BASE) -> PreparationRequest:
    return PreparationRequest(run_id="r", base=base, setup=(), checks=(), deadline=float("inf"))
