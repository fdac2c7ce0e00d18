"""The replayed Claude: tells its script to who asks as expected, and complains to others."""

from typing import Any

import pytest

from demo.script.replay import Replay, Unfit
from demo.script.reply_stream import Block
from demo.script.scene import Scene, Turn, create, shell
from roles import coder, planner, reviewer

PLAN = Scene(
    role="planner",
    told=("Add a greeting",),
    turns=(
        Turn(thinks="Look.", says="I look.", calls=(shell("cat a.txt", "hello"),)),
        Turn(answer='{"action": "change"}'),
    ),
)
CODE = Scene(
    role="coder",
    told=("Add a greeting",),
    turns=(
        Turn(calls=(create("b.txt", "hi\n"), shell("test -e a.txt", fails=True))),
        Turn(answer='{"title": "Greet"}'),
    ),
)
STORY = (PLAN, CODE)
REQUEST = "<request>\nAdd a greeting\n</request>"


def asked(system: str, opening: str = REQUEST, *later: list[dict[str, Any]]) -> dict[str, Any]:
    """A request whose conversation began with `opening`; `later` are replies and results."""
    messages = [{"role": "user", "content": [{"type": "text", "text": opening}]}]
    for number, content in enumerate(later):
        messages.append({"role": ("assistant", "user")[number % 2], "content": content})
    return {"model": "claude-opus-5-5", "system": system, "messages": messages}


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
    first = reply(replay, asked(planner.PROMPT))
    assert [block["type"] for block in first] == ["thinking", "text", "tool_use"]
    last = reply(replay, asked(planner.PROMPT, REQUEST, first, results("hello")))
    assert [block["text"] for block in last] == ['{"action": "change"}']


def test_it_tells_a_turn_again_to_who_asks_again() -> None:
    replay = Replay(STORY)
    for _ in range(3):
        assert reply(replay, asked(planner.PROMPT))[1]["text"] == "I look."


def test_the_next_role_call_is_the_next_scene() -> None:
    replay = Replay(STORY)
    replay.turn(asked(planner.PROMPT))
    first = reply(replay, asked(coder.PROMPT, f"{REQUEST}\nplan"))
    assert [block["name"] for block in first] == ["str_replace_based_edit_tool", "bash"]


def test_a_changed_request_no_longer_fits() -> None:
    told = complaint(Replay(STORY), asked(planner.PROMPT, "Add a farewell"))
    assert "planner" in told
    assert "'Add a greeting'" in told


def test_another_role_than_expected_is_named() -> None:
    replay = Replay(STORY)
    replay.turn(asked(planner.PROMPT))
    told = complaint(replay, asked(reviewer.PROMPT, f"{REQUEST}\ndiff"))
    assert "coder" in told
    assert "reviewer" in told


def test_an_unknown_prompt_is_nobody() -> None:
    assert "planner" in complaint(Replay(STORY), asked("You are a pirate."))


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
    first = reply(replay, asked(planner.PROMPT))
    shown_results = results(shown, is_error=is_error)
    told = complaint(replay, asked(planner.PROMPT, REQUEST, first, shown_results))
    assert "turn 1 of the planner" in told
    assert expected in told
    assert shown.splitlines()[0] in told


def test_a_command_that_should_fail_must_fail() -> None:
    replay = Replay((CODE,))
    first = reply(replay, asked(coder.PROMPT))
    written = results("Wrote b.txt.", "[no output]")
    told = complaint(replay, asked(coder.PROMPT, REQUEST, first, written))
    assert "`test -e a.txt` should fail and does not" in told


def test_an_answer_that_was_not_taken_is_told() -> None:
    replay = Replay(STORY)
    first = reply(replay, asked(planner.PROMPT))
    second = reply(replay, asked(planner.PROMPT, REQUEST, first, results("hello")))
    again = [{"type": "text", "text": "Your answer does not fit its form."}]
    request = asked(planner.PROMPT, REQUEST, first, results("hello"), second, again)
    assert "does not fit its form" in complaint(replay, request)


def test_the_script_has_an_end() -> None:
    replay = Replay((PLAN,))
    replay.turn(asked(planner.PROMPT))
    told = complaint(replay, asked(coder.PROMPT, f"{REQUEST}\nplan"))
    assert "after the end of the script" in told
