"""Merged pull requests, as deliveries tell them, beside what is looked up."""

import pytest
from pydantic import SecretStr

from forge.github import GitHub
from graph import RetryPolicy
from graph.errors import StoreUnavailable
from tests.standins.github import TOKEN, Fault
from tests.wiring.triggers.conftest import World
from tests.wiring.triggers.test_pulls import NUMBER, pull_payload
from wiring.merged_pulls import MergedPulls
from wiring.triggers.thread import merged_of

pytestmark = pytest.mark.slow


async def close(world: World, author: str, *, merged: bool) -> None:
    payload = pull_payload("closed", "ada", author)
    payload["pull_request"]["merged"] = merged
    payload["sender"] = {"login": "merge-queue[bot]", "type": "Bot"}
    await world.deliver("pull_request", payload)
    await world.worker.round()


@pytest.mark.parametrize(
    ("author", "merged", "told"),
    [("octo-agent", True, {NUMBER}), ("octo-agent", False, set()), ("eve", True, set())],
)
async def test_one_of_ours_is_recorded_though_nobody_asked_for_a_run_there(
    world: World, author: str, merged: bool, told: set[int]
) -> None:
    await close(world, author, merged=merged)
    assert set(await merged_of(world.deliveries, "Octo/sample")) == told
    assert not world.ours


async def test_what_was_told_counts_beside_what_is_looked_up(world: World) -> None:
    async def told(full_name: str) -> frozenset[int]:
        return frozenset((7,)) if full_name == "octo/sample" else frozenset()

    async def away(_: str) -> frozenset[int]:
        raise StoreUnavailable("It does not answer.")

    policy = RetryPolicy(attempts=1)
    forge = GitHub(api_url=world.forge.api_url, token=SecretStr(TOKEN), retry_policy=policy)
    assert await MergedPulls(lambda: forge, str, told)("octo/sample", 0) == frozenset((7,))
    assert await MergedPulls(lambda: forge, str, away)("octo/sample", 0) == frozenset()


async def test_what_was_told_is_not_the_whole_where_the_forge_does_not_answer(
    world: World,
) -> None:
    await close(world, "octo-agent", merged=True)

    async def told(full_name: str) -> frozenset[int]:
        return await merged_of(world.deliveries, full_name)

    assert await told("octo/sample") == frozenset((NUMBER,))
    world.forge.fail("GET", "/pulls", Fault(404, times=99))
    assert await MergedPulls(lambda: world.github, str, told)("octo/sample", 0) is None
    world.forge.forgive()
    assert await MergedPulls(lambda: world.github, str, told)("octo/sample", 0) == frozenset(
        (NUMBER,)
    )
