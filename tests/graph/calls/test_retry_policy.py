"""How often something is tried, and how long is waited."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph import RetryPolicy, retry

QUICK = RetryPolicy(attempts=3, first_s=0.001)


class Failing:
    """Fails so many times, then answers."""

    def __init__(self, times: int) -> None:
        self.left, self.calls = times, 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.left:
            raise ConnectionError(f"failure {self.calls}")
        return "done"


async def test_it_goes_on_until_it_goes_right() -> None:
    told: list[tuple[str, int]] = []
    call = Failing(2)
    result = await retry(
        call,
        QUICK,
        on=ConnectionError,
        tell=lambda error, number, _: told.append((str(error), number)),
    )
    assert (result, call.calls) == ("done", 3)
    assert told == [("failure 1", 1), ("failure 2", 2)]


async def test_the_last_error_is_raised() -> None:
    call = Failing(9)
    with pytest.raises(ConnectionError, match="failure 3"):
        await retry(call, QUICK, on=ConnectionError)
    assert call.calls == 3


@pytest.mark.parametrize("kind", [OSError, KeyError])
async def test_other_errors_are_not_repeated(kind: type[Exception]) -> None:
    call = Failing(1)
    with pytest.raises(ConnectionError):
        await retry(call, QUICK, on=kind, when=lambda _: False)
    assert call.calls == 1


async def test_what_the_other_side_asks_for_is_waited_or_given_up() -> None:
    waits: list[float] = []
    await retry(
        Failing(1),
        QUICK,
        on=ConnectionError,
        asked_s=lambda _: 0.01,
        tell=lambda _, __, wait_s: waits.append(wait_s),
    )
    assert waits == [0.01]
    call = Failing(1)
    with pytest.raises(ConnectionError):
        await retry(call, QUICK, on=ConnectionError, asked_s=lambda _: QUICK.total_s + 1)
    assert call.calls == 1


def test_pauses_grow_and_progress_makes_them_short_again() -> None:
    pauses = RetryPolicy(attempts=9, first_s=1, longest_s=30, total_s=1000).pauses()
    waits = [pauses.next() or 0.0 for _ in range(8)]
    assert 0.75 <= waits[0] <= 1.0
    assert 3.0 <= waits[2] <= 4.0
    assert max(waits) <= 30.0
    assert pauses.next() is None
    pauses.reset()
    assert 0.75 <= (pauses.next() or 0.0) <= 1.0


@given(
    st.builds(
        RetryPolicy,
        attempts=st.integers(1, 200),
        first_s=st.floats(0.001, 100),
        longest_s=st.floats(0.001, 100),
        total_s=st.floats(0, 1000),
    ),
    st.lists(st.none() | st.floats(0, 100), max_size=50),
)
def test_pauses_keep_to_their_policy(policy: RetryPolicy, asked: list[float | None]) -> None:
    pauses, waited = policy.pauses(), []
    for wish in asked:
        if (wait := pauses.next(wish)) is None:
            break
        assert wait >= (wish or 0)
        waited.append(wait)
    assert len(waited) < policy.attempts
    assert sum(waited) <= policy.total_s + 1e-6
