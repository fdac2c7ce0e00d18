"""What is left is told once, where four fifths are used."""

import pytest

from graph.spending import Spend, Usage
from graph.values import Base
from roles.conversation.remaining import Remaining
from roles.conversation.role_spec import RoleSpec
from roles.transcript.transcript import UserMessage
from roles.turns.deadline import Deadline
from roles.turns.spend_meter import SpendMeter
from tests.standins.claude import calls
from tests.support.roles.role_bench import DONE, SPEC, Bench, Ears, Serve, Verdict, make_task


@pytest.mark.parametrize(
    ("spent", "turns", "told"),
    [
        (Spend(), 15, []),
        (Spend(), 16, ["4 of your 20 replies are left."]),
        (Spend(cost_usd=4.1), 1, ["$0.90 of the run's $5.00 are left."]),
        (Spend(usage=Usage(input_tokens=9_000)), 1, ["1000 of the run's 10000 tokens are left."]),
    ],
)
def test_what_is_nearly_spent(base: Base, spent: Spend, turns: int, told: list[str]) -> None:
    task = make_task(base, spent=spent, max_tokens=10_000)
    deadline = Deadline.before(task.budget.deadline)
    watched = Remaining(task, SpendMeter(task, Ears()), deadline, max_turns=20)
    found = watched.nearly_spent(turns, [])
    assert [*found.values()] == told
    said = UserMessage(purpose="results", content=[], limits_told=[*found])
    assert watched.nearly_spent(turns, [said]) == {}


async def test_it_is_told_once(serve: Serve, bench: Bench) -> None:
    spec: RoleSpec[Verdict] = RoleSpec(system=SPEC.system, answer=SPEC.answer, max_turns=5)
    turns = [calls(f"echo {number}") for number in range(4)]
    async with serve(*[calls("pwd")], *turns[:3], DONE) as (server, claude):
        assert (await bench.run(claude, spec=spec)).answer
    last = [str(request["messages"][-1]["content"]) for request in server.requests]
    assert ["replies are left" in said for said in last] == [False, False, False, False, True]
    assert "1 of your 5 replies" in last[-1]
