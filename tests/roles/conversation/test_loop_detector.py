"""A role that goes in circles is told so, then ended, and begins anew when it is called again."""

from collections.abc import Iterator

import pytest

from graph.errors import RoleInCircles, RoleTurnLimit
from roles.conversation.role_spec import RoleSpec
from tests.standins.claude import calls
from tests.standins.messages_api.server import Answer
from tests.support.roles.role_bench import (
    DONE,
    SPEC,
    Bench,
    Ears,
    Serve,
    ended_by,
)

CHANGING = RoleSpec(system=SPEC.system, answer=SPEC.answer, max_turns=150, changes=True)


def last_said(request: dict[str, object]) -> str:
    """The last block of a request."""
    return str(request["messages"][-1]["content"][-1].get("text", ""))  # type: ignore[index]


async def test_same_call_is_noticed_then_ended(serve: Serve, bench: Bench) -> None:
    async with serve(*[calls("cat calc.py") for _ in range(9)]) as (server, claude):
        ended_by(await bench.run(claude), RoleInCircles, "6 times in a row")
    assert len(server.requests) == 6
    assert [bool(last_said(request)) for request in server.requests[1:]] == [
        False, False, True, True, True,
    ]  # fmt: skip
    assert "3 times in a row" in last_said(server.requests[3])


@pytest.mark.parametrize("circle", [["ls", "cat calc.py"], ["ls", "cat calc.py", "pwd"]])
async def test_longer_circles(serve: Serve, bench: Bench, circle: list[str]) -> None:
    turns: list[Answer] = [calls(command) for _ in range(9) for command in circle]
    spec = RoleSpec(system=SPEC.system, answer=SPEC.answer, max_turns=100)
    async with serve(*turns) as (server, claude):
        ended_by(await bench.run(claude, spec=spec), RoleInCircles)
    assert len(server.requests) == 6 * len(circle)
    assert "3 times in a row" in last_said(server.requests[3 * len(circle)])


async def test_other_results_are_no_circle(serve: Serve, bench: Bench) -> None:
    async with serve(*[calls("date +%N") for _ in range(9)], DONE) as (server, claude):
        assert (await bench.run(claude)).answer
    assert not any(map(last_said, server.requests[1:]))


async def test_ended_role_begins_anew(serve: Serve, bench: Bench) -> None:
    circle = [calls("cat calc.py") for _ in range(6)]
    async with serve(*circle, calls("ls"), DONE) as (server, claude):
        ended_by(await bench.run(claude, spec=CHANGING), RoleInCircles)
        bench.ears = Ears()
        end = await bench.run(claude, spec=CHANGING)
    first = server.requests[6]["messages"]
    assert len(first) == 1
    assert first[0]["content"][0]["text"] == "Judge calc.py."
    assert "went in circles" in first[0]["content"][1]["text"]
    assert "git diff HEAD" in first[0]["content"][1]["text"]
    assert len(server.requests[7]["messages"]) == 3
    assert end.answer
    assert end.spend.turns == 8
    assert len(set(bench.ears.keys)) == len(bench.ears.keys)


class Tree:
    """A tree whose digest changes at some looks."""

    def __init__(self, *digests: str) -> None:
        self._digests: Iterator[str] = iter(digests)
        self.looks = 0

    async def __call__(self) -> str:
        self.looks += 1
        return next(self._digests)


def steps(count: int) -> list[Answer]:
    return [calls(f"echo {number}") for number in range(count)]


async def test_tree_that_stays_the_same(serve: Serve, bench: Bench) -> None:
    tree = Tree(*["one"] * 4)
    async with serve(*steps(90)) as (server, claude):
        ended_by(await bench.run(claude, spec=CHANGING, tree=tree), RoleInCircles, "in 60 turns")
    assert len(server.requests) == 80
    assert tree.looks == 4
    told = [number for number, request in enumerate(server.requests[1:], 1) if last_said(request)]
    assert told == [40, 60]
    assert "not changed for 20 turns" in last_said(server.requests[40])


async def test_tree_that_changes_now_and_then(serve: Serve, bench: Bench) -> None:
    tree = Tree("one", "", "two", "three")
    async with serve(*steps(85), DONE) as (server, claude):
        assert (await bench.run(claude, spec=CHANGING, tree=tree)).answer
    assert tree.looks == 4
    assert not any(map(last_said, server.requests[1:]))


async def test_role_that_changes_nothing_is_not_held_to_it(serve: Serve, bench: Bench) -> None:
    spec = RoleSpec(system=SPEC.system, answer=SPEC.answer, max_turns=40)
    async with serve(*steps(31), DONE) as (_, claude):
        assert (await bench.run(claude, spec=spec, tree=Tree())).answer


async def test_looks_are_remembered(serve: Serve, bench: Bench) -> None:
    tree = Tree(*["one"] * 4)
    spec = RoleSpec(system=SPEC.system, answer=SPEC.answer, max_turns=45, changes=True)
    async with serve(*steps(90)) as (server, claude):
        ended_by(await bench.run(claude, spec=spec, tree=tree), RoleTurnLimit, "all its 45 turns")
        ended_by(await bench.run(claude, spec=spec, tree=tree), RoleInCircles)
    assert len(server.requests) == 80
