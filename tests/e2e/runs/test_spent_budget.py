"""Money and patience at their end, and going on from there: nothing is paid for twice."""

import re
from typing import Any

import pytest

from demo.script.asking_role import count_replies
from tests.standins.claude import HttpError, says
from tests.support.whole_runs.claude_script import (
    MORNING,
    approve,
    done,
    plan,
    shell,
    small_change,
)
from tests.support.whole_runs.service_client import Run
from tests.support.whole_runs.world import World

pytestmark = [pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]
DEAR = {"output_tokens": 20_000}
OVERLOADED = HttpError(529, "overloaded_error", "Overloaded", {"retry-after": "0"})


def turns(requests: list[dict[str, Any]]) -> list[int]:
    """How many replies each request of a role has in its history."""
    return [count_replies(request) for request in requests]


def check_paid_once(run: Run) -> None:
    """Each reply was counted once."""
    view = run.end["usage"]
    for name in view:
        assert view[name] == sum(usage[name] for usage in run.of("usage"))


async def test_budget_spent_in_mid_coder_and_then_raised(world: World) -> None:
    repo = await world.host()
    coder = [shell(MORNING), shell("echo '# half' >> greet.py", **DEAR)]
    script = small_change(coder=coder, reviewer=[])
    run = await world.run("Greet for little money.", repo, script, maxCostUsd=0.5)
    assert run.end["status"] == "budget_exhausted"
    assert re.fullmatch(
        r"The next request of the coder could have cost \$0\.\d\d; \$0\.\d\d of \$0\.50 was left\.",
        run.end["explanation"],
    )
    assert ("code", "stopped") in run.nodes
    assert ("validate", "passed") in run.nodes
    assert repo.pull.draft
    assert "The budget of the run was spent in `code`" in repo.told
    assert "Good morning" in repo.diff(repo.pull.head)
    before = world.cast.asked(run.prompt, "coder")
    assert turns(before) == [0, 1]

    more = {"coder": [shell("sed -i '/half/d' greet.py"), done()], "reviewer": [approve()]}
    await world.resume(run, more, maxCostUsd=5)
    assert (run.end["status"], run.end.get("explanation")) == ("succeeded", None)
    asked = world.cast.asked(run.prompt, "coder")
    assert turns(asked) == [0, 1, 2, 3]
    assert asked[2]["messages"][: len(asked[1]["messages"])] == asked[1]["messages"]
    assert len(world.cast.asked(run.prompt, "planner")) == 1
    assert (repo.pull.draft, len(repo.pulls)) == (False, 1)
    assert "half" not in repo.diff(repo.pull.head)
    check_paid_once(run)


async def test_budget_spent_before_there_is_a_change(world: World) -> None:
    repo = await world.host()
    script = {"planner": [shell("ls", **DEAR)]}
    run = await world.run("Greet for nothing.", repo, script, maxCostUsd=0.4)
    assert (run.end["status"], run.nodes[-1]) == ("budget_exhausted", ("plan", "stopped"))
    assert (repo.branches, repo.pulls) == ([], [])

    await world.resume(run, small_change(planner=[plan()]), maxCostUsd=5)
    assert run.end["status"] == "succeeded"
    assert turns(world.cast.asked(run.prompt, "planner")) == [0, 1]
    check_paid_once(run)


async def test_a_light_review_without_an_end_leaves_the_validated_change(world: World) -> None:
    repo = await world.host()
    script = small_change(reviewer=[shell(f"ls {number}") for number in range(10)])
    run = await world.run("Greet without a verdict.", repo, script)
    assert (run.end["status"], run.nodes[-2]) == ("incomplete", ("review", "stopped"))
    view = await run.view()
    assert (view["status"], view["reason"]) == ("incomplete", "turns_exhausted")
    assert repo.pull.draft
    assert "no answer within its turns in `review`" in repo.told
    assert "Good morning" in repo.diff(repo.pull.head)

    await world.resume(run, {"reviewer": [approve()]})
    assert (run.end["status"], repo.pull.draft) == ("succeeded", False)
    assert turns(world.cast.asked(run.prompt, "reviewer")) == [*range(11)]
    check_paid_once(run)


async def test_a_planner_without_an_answer_has_nothing_to_leave(world: World) -> None:
    repo = await world.host()
    run = await world.run(
        "Greet without a plan.", repo, {"planner": [says("Soon."), says("Well.")]}
    )
    assert (run.end["status"], run.error) == ("failed", "role_no_answer")
    assert repo.pulls == []


async def test_tokens_spent_where_money_is_not() -> None:
    async with World.with_service(max_tokens=30_000) as world:
        repo = await world.host()
        script = small_change(coder=[shell(MORNING, output_tokens=24_000)], reviewer=[])
        run = await world.run("Greet within some tokens.", repo, script)
        assert (run.end["status"], run.end["reason"]) == ("budget_exhausted", "tokens_spent")
        assert repo.pull.draft


async def test_a_request_cannot_raise_the_operators_limit(world: World) -> None:
    repo = await world.host()
    run = await world.run("Greet once.", repo, small_change(reviewer=[OVERLOADED] * 7))
    refused = await run.call("POST", "/resume", maxCostUsd=50)
    assert (refused.status_code, refused.json()["code"]) == (422, "limit_raised")


async def test_claude_overloaded_for_long_and_then_not(world: World) -> None:
    repo = await world.host()
    script = small_change(coder=[shell(MORNING), *[OVERLOADED] * 7], reviewer=[])
    run = await world.run("Greet when there is room.", repo, script)
    assert (run.end["status"], run.error) == ("failed", "claude_unavailable")
    assert run.end["error"]["node"] == "code"
    assert [event["attempt"] for event in run.of("retry")] == [1, 2, 3, 4, 5, 6]
    assert repo.pulls == []

    await world.resume(run, {"coder": [done()], "reviewer": [approve()]})
    assert run.end["status"] == "succeeded"
    assert turns(world.cast.asked(run.prompt, "coder")) == [0] + [1] * 8
    assert len(run.of("tool.started")) == 1
    assert "Good morning" in repo.diff(repo.pull.head)
    check_paid_once(run)


async def test_a_key_that_is_not_taken() -> None:
    async with World.open() as world:
        world.claude._key = "sk-ant-of-somebody-else"
        repo = await world.host()
        async with world.serving():
            run = await world.run("Greet without a key.", repo, {})
            assert (run.end["status"], run.error) == ("failed", "claude_unauthorized")


async def test_time_spent_in_a_command(world: World) -> None:
    repo = await world.host()
    script = small_change(coder=[shell(MORNING), shell("sleep 95")], reviewer=[])
    run = await world.run("Greet in seconds.", repo, script, timeoutS=3)
    assert run.end["status"] == "timed_out"
    assert run.nodes[2:] == [("code", "stopped"), ("publish", "ok")]
    assert "The time of the run was spent in `code`" in repo.told
    assert "The change was not validated." in repo.told
    assert repo.pull.draft

    await world.resume(run, {"coder": [done()], "reviewer": [approve()]}, timeoutS=600)
    assert run.end["status"] == "succeeded"
    assert not repo.pull.draft
