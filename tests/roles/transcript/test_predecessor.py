"""Which conversation is gone on with, and when that is cheaper than to begin anew."""

from pathlib import Path

import pytest

from graph.spending import Usage
from graph.values import RoleName
from roles.transcript.predecessor import LIFETIME_S, find_predecessor
from roles.transcript.transcript import AssistantMessage, Transcript, UserMessage

NOW = 1_800_000_000.0
ROLES: tuple[RoleName, ...] = ("planner", "coder")


class Open:
    """A fence that lets everything through."""

    def check(self) -> None:
        pass

    def kept(self) -> None:
        pass


async def kept(
    folder: Path, *, tokens: int = 1_000, model: str = "claude-opus-5-5", age_s: float = 1.0
) -> None:
    """A transcript of a question and a reply."""
    made = Transcript(folder, Open())
    said = UserMessage(purpose="opening", content=[{"type": "text", "text": "?"}], prefix="same")
    await made.append(said)
    await made.save()
    reply = AssistantMessage(
        content=[{"type": "text", "text": "!"}],
        attempt=1,
        asked_at=NOW - age_s,
        stop_reason="end_turn",
        usage=Usage(cache_read_input_tokens=tokens),
        model=model,
    )
    await made.append(reply)


async def test_newest_call_of_the_roles_before_the_step(tmp_path: Path) -> None:
    for name in ("0001-planner", "0002-coder", "0003-reviewer", "0004-coder"):
        await kept(tmp_path / name)
    (tmp_path / "0003-coder").mkdir()
    found = find_predecessor(tmp_path, 3, ROLES)
    assert found
    assert found.name == "0002-coder"
    assert find_predecessor(tmp_path, 4, ROLES) is None  # it was broken off before it said a word
    assert find_predecessor(tmp_path, 1, ROLES) is None
    assert find_predecessor(tmp_path / "none", 9, ROLES) is None


@pytest.mark.parametrize(
    ("tokens", "age_s", "serves"),
    [
        (30_000, 1, True),
        (110_000, 1, False),
        (15_000, LIFETIME_S + 1, True),
        (30_000, LIFETIME_S + 1, False),
    ],
)
async def test_size_and_age_decide(
    tmp_path: Path, tokens: int, age_s: float, *, serves: bool
) -> None:
    await kept(tmp_path / "0001-planner", tokens=tokens, age_s=age_s)
    found = find_predecessor(tmp_path, 2, ROLES)
    assert found
    assert found.serves("same", NOW) is serves
    assert not found.serves("another", NOW)


async def test_model_without_a_price_is_gone_on_with(tmp_path: Path) -> None:
    await kept(tmp_path / "0001-planner", tokens=500_000, model="local", age_s=9_999)
    found = find_predecessor(tmp_path, 2, ROLES)
    assert found
    assert found.serves("same", NOW)
