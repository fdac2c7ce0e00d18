"""The time that a role has, whatever is done to the machine's clock."""

import time

import pytest

from roles.turns.deadline import Deadline


@pytest.mark.parametrize("by_s", [-3600.0, 3600.0])
def test_a_clock_that_is_set_changes_no_time(monkeypatch: pytest.MonkeyPatch, by_s: float) -> None:
    deadline = Deadline.before(time.time() + 100)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + by_s)
    assert 80 < deadline.left_s <= 95


def test_what_is_over_leaves_none() -> None:
    assert Deadline.before(time.time() - 5).left_s == 0
