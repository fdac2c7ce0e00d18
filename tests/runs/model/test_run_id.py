"""Ids of runs: their form, and that each sorts after the one before."""

from runs.model.run_id import RUN_ID, RunIds, new_run_id


def test_an_id_is_26_lower_case_characters() -> None:
    assert RUN_ID.fullmatch(new_run_id())


def test_ids_sort_by_the_order_they_were_made_in() -> None:
    ids = RunIds()
    made = [ids.new() for _ in range(2000)]
    assert made == sorted(set(made))


def test_ids_sort_when_the_clock_goes_backwards() -> None:
    ids = RunIds()
    ids._last += (1 << 80) * 1_000_000_000_000_000 // 1000 * 9  # made in a far future
    made = [ids.new() for _ in range(3)]
    assert made == sorted(set(made))
    assert all(map(RUN_ID.fullmatch, made))
