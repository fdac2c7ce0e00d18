"""The replayed Claude: tells its script to who asks as expected, and complains to others."""

from typing import Any

import pytest

from demo.script.asking_role import submit
from demo.script.replay import Replay, Unfit
from demo.script.reply_stream import Block, text
from demo.script.scene import Scene, Turn, create, shell
from graph import RoleName
from roles import ROLES

PLAN = Scene(
    role="planner",
    told=("Add a greeting",),
    turns=(
        Turn(thinks="Look.", says="I look.", calls=(shell("cat a.txt", "hello"),)),
        Turn(answer=submit(route="short")),
    ),
)
CODE = Scene(
    role="coder",
    told=("Add a greeting",),
    turns=(
        Turn(calls=(create("b.txt", "hi\n"), shell("test -e a.txt", fails=True))),
        Turn(answer=submit(title="Greet")),
    ),
)
STORY = (PLAN, CODE)
REQUEST = "<request>\nAdd a greeting\n</request>"


def asked(role: RoleName, opening: str = REQUEST, *later: list[dict[str, Any]]) -> dict[str, Any]:
    """A request whose conversation began with `opening`; `later` are replies and results."""
    spec = ROLES[role].spec
    told = [text(spec.instructions), text(opening)] if spec.instructions else [text(opening)]
    messages: list[dict[str, Any]] = [{"role": "user", "content": told}]
    for number, content in enumerate(later):
        messages.append({"role": ("assistant", "user")[number % 2], "content": content})
    return {"model": "claude-opus-5-5", "system": spec.system, "messages": messages}


def results(*texts: str, is_error: bool = False) -> list[dict[str, Any]]:
    return [{"type": "tool_result", "content": text, "is_error": is_error} for text in texts]


def reply(replay: Replay, request: dict[str, Any]) -> list[Block]:
    return replay.turn(request).blocks()


def complaint(replay: Replay, request: dict[str, Any]) -> str:
    with pytest.raises(Unfit) as raised:
        replay.turn(request)
    return str(raised.value)


def test_it_tells_its_turns_in_order() -> None:
    replay = Replay(STORY)
    first = reply(replay, asked("planner"))
    assert [block["type"] for block in first] == ["thinking", "text", "tool_use"]
    last = reply(replay, asked("planner", REQUEST, first, results("hello")))
    assert [block["name"] for block in last] == ["submit_plan"]


def test_it_tells_a_turn_again_to_who_asks_again() -> None:
    replay = Replay(STORY)
    for _ in range(3):
        assert reply(replay, asked("planner"))[1]["text"] == "I look."


def test_the_next_role_call_is_the_next_scene() -> None:
    replay = Replay(STORY)
    replay.turn(asked("planner"))
    first = reply(replay, asked("coder", f"{REQUEST}\nplan"))
    assert [block["name"] for block in first] == ["str_replace_based_edit_tool", "bash"]


def test_a_changed_request_no_longer_fits() -> None:
    told = complaint(Replay(STORY), asked("planner", "Add a farewell"))
    assert "planner" in told
    assert "'Add a greeting'" in told


def test_another_role_than_expected_is_named() -> None:
    replay = Replay(STORY)
    replay.turn(asked("planner"))
    told = complaint(replay, asked("reviewer", f"{REQUEST}\ndiff"))
    assert "coder" in told
    assert "reviewer" in told


def test_a_role_that_goes_on_in_the_conversation_is_the_next_scene() -> None:
    replay = Replay(STORY)
    first = reply(replay, asked("planner"))
    planned = reply(replay, asked("planner", REQUEST, first, results("hello")))
    handover = [text(ROLES["coder"].spec.instructions), text("Add a greeting")]
    told = asked("planner", REQUEST, first, results("hello"), planned, handover)
    assert [block["name"] for block in reply(replay, told)] == [
        "str_replace_based_edit_tool", "bash",
    ]  # fmt: skip
    assert reply(replay, asked("planner"))[1]["text"] == "I look."


def test_an_unknown_prompt_is_nobody() -> None:
    unknown = asked("planner") | {"system": "You are a pirate."}
    assert "planner" in complaint(Replay(STORY), unknown)


@pytest.mark.parametrize(
    ("shown", "is_error", "expected"),
    [
        ("goodbye", False, "`cat a.txt` does not show 'hello'"),
        ("cat: a.txt: No such file\n[exit code 1]", False, "`cat a.txt` fails"),
        ("hello, but interrupted", True, "`cat a.txt` fails"),
    ],
)
def test_a_result_that_shows_something_else_is_named(
    shown: str, is_error: bool, expected: str
) -> None:
    replay = Replay(STORY)
    first = reply(replay, asked("planner"))
    shown_results = results(shown, is_error=is_error)
    told = complaint(replay, asked("planner", REQUEST, first, shown_results))
    assert "turn 1 of the planner" in told
    assert expected in told
    assert shown.splitlines()[0] in told


def test_a_command_that_should_fail_must_fail() -> None:
    replay = Replay((CODE,))
    first = reply(replay, asked("coder"))
    written = results("Wrote b.txt.", "[no output]")
    told = complaint(replay, asked("coder", REQUEST, first, written))
    assert "`test -e a.txt` should fail and does not" in told


def test_an_answer_that_was_not_taken_is_told() -> None:
    replay = Replay(STORY)
    first = reply(replay, asked("planner"))
    second = reply(replay, asked("planner", REQUEST, first, results("hello")))
    again = [text("Your answer does not fit its form.")]
    request = asked("planner", REQUEST, first, results("hello"), second, again)
    assert "does not fit its form" in complaint(replay, request)


def test_the_script_has_an_end() -> None:
    replay = Replay((PLAN,))
    replay.turn(asked("planner"))
    told = complaint(replay, asked("coder", f"{REQUEST}\nplan"))
    assert "after the end of the script" in told
