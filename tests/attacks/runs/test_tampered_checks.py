"""A change that bends its own checks, from the role that makes it to the pull request."""

import pytest

from tests.support.whole_runs.claude_script import (
    BREAK,
    done,
    plan,
    shell,
    small_change,
    told,
)
from tests.support.whole_runs.hosted_repository import GREETER
from tests.support.whole_runs.world import World

pytestmark = [pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]
CHECK = "python3 -m unittest discover"
WITH_MAKE = {**GREETER, "Makefile": f"test:\n\t{CHECK}\n"}
NAME = "test_the_name_is_in_it (test_greet.GreetTest.test_the_name_is_in_it)"


async def test_a_weakened_test_reaches_event_reviewer_and_pull_request(world: World) -> None:
    repo = await world.host()
    weaken = "sed -i 's/self.assertIn.*/pass/' test_greet.py"
    script = small_change(coder=[shell(BREAK, weaken), done()])
    run = await world.run("Greet with a weakened test.", repo, script)
    validation = run.one("validation.finished")
    assert (validation["status"], validation["newFailures"]) == ("passed", [])
    rules = {finding["rule"]: finding for finding in validation["findings"]}
    assert set(rules) == {"base_tests", "assertions_removed"}
    assert NAME in rules["base_tests"]["message"]
    (asked,) = world.cast.asked(run.prompt, "reviewer")
    assert "<base_tests>" in told(asked)
    assert NAME in told(asked)
    assert "test_greet.py: fewer assertions: 1 lines removed, 0 added" in told(asked)
    assert "### What the change does to tests" in repo.told
    assert "those of the base it fails" in repo.told
    assert "fewer assertions: 1 lines removed, 0 added (by a pattern" in repo.told
    view = await run.view()
    assert len(view["validations"][-1]["findings"]) == 2


async def test_neither_change_nor_role_replaces_a_command(world: World) -> None:
    """The target of the base is run, and the caller's command stays what it was."""
    repo = await world.host(WITH_MAKE)
    bend = "printf 'test:\\n\\ttrue\\n' > Makefile"
    settings = "printf 'validate = [\"true\"]\\n' > .coding-agent.toml"
    script = small_change(
        planner=[plan(checks=["true"])], coder=[shell(BREAK, bend, settings), done()], reviewer=[]
    )
    asked = {"validate": ["make test"], "maxFixRounds": 0}
    run = await world.run("Greet with another make.", repo, script, **asked)
    validation = run.one("validation.finished")
    commands = [command["command"] for command in validation["commands"]]
    assert commands == ["make test", CHECK, "true"]
    assert validation["status"] == "failed"  # what was not bent tells
    assert NAME in validation["newFailures"]
    assert run.end["status"] == "incomplete"


async def test_code_that_ends_before_its_tests_reaches_reviewer_and_pull_request(
    world: World,
) -> None:
    repo = await world.host()
    script = small_change(coder=[shell(BREAK, "echo 'import os; os._exit(0)' >> greet.py"), done()])
    run = await world.run("Greet and leave.", repo, script)
    validation = run.one("validation.finished")
    assert validation["status"] == "passed"
    rules = {finding["rule"]: finding["severity"] for finding in validation["findings"]}
    assert rules == {"no_tests": "error", "runner_reached": "warning"}
    (asked,) = world.cast.asked(run.prompt, "reviewer")
    silent = f"`{CHECK}` passes, but reports no test that came to its end; on the base it does"
    assert silent in told(asked)
    assert "greet.py:3: ends the process or reaches what runs it: import os" in told(asked)
    assert "passes, but reports no test that came to its end" in repo.told
