"""The money of an evaluation: what runs hold, spend and put back."""

import asyncio

from api.evaluation.money_pot import MoneyPot


async def test_shares_are_never_more_than_is_left() -> None:
    pot = MoneyPot(limit_usd=3.0, per_run_usd=2.0)
    assert await pot.take() == 2.0
    assert await pot.take() == 1.0


async def test_who_finds_all_held_waits_for_what_comes_back() -> None:
    pot = MoneyPot(limit_usd=2.0, per_run_usd=2.0)
    assert await pot.take() == 2.0
    waiting = asyncio.create_task(pot.take())
    await asyncio.sleep(0)
    assert not waiting.done()
    await pot.settle(2.0, 0.5)
    assert await waiting == 1.5


async def test_all_spent_is_none() -> None:
    pot = MoneyPot(limit_usd=2.0, per_run_usd=0.0, spent_usd=0.5)
    assert await pot.take() == 1.5
    waiting = asyncio.create_task(pot.take())
    await asyncio.sleep(0)
    await pot.settle(1.5, None)
    assert await waiting is None


async def test_without_a_limit_a_run_has_its_own() -> None:
    pot = MoneyPot(limit_usd=None, per_run_usd=5.0)
    assert [await pot.take() for _ in range(3)] == [5.0, 5.0, 5.0]
    await pot.settle(5.0, 9.0)
    assert await pot.take() == 5.0
