"""Who waits for what: a delivery for its record alone, eyes for no call but who may write."""

import asyncio
import sqlite3
from contextlib import closing

import pytest

from runs.deliveries import Delivery, TableDeliveries
from runs.model import DayLimits
from tests.standins.github import Fault
from tests.standins.shared_backend import MemoryTable
from tests.support.polling import until
from tests.wiring.triggers.conftest import World
from wiring.triggers import ThreadActs, TriggerWorker
from wiring.triggers.thread import Thread

pytestmark = pytest.mark.slow


def asked(world: World) -> list[str]:
    """The calls of GitHub's API, without the repository."""
    calls = (each for each in world.forge.requests if each.path.startswith("/api/"))
    return [f"{each.method} {each.path.removeprefix('/api/v3')}" for each in calls]


def kept(world: World) -> list[str]:
    """Names of the deliveries that are in the store, as another process reads it."""
    with closing(sqlite3.connect(world.house.database)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM deliveries ORDER BY name")]


@pytest.mark.parametrize(
    ("says", "place"), [("", "issues/1"), ("/coding-agent greet twice", "issues/comments/1001")]
)
async def test_eyes_come_before_all_that_takes_long(world: World, says: str, place: str) -> None:
    world.hosted.say(1, "ada", "Greet by name.")
    await (world.comment(says) if says else world.label())
    await world.worker.round()
    (run,) = await world.runs()
    repo = "/repos/octo/sample"
    assert asked(world)[:3] == [
        "GET /user",
        f"GET {repo}/collaborators/ada/permission",
        f"POST {repo}/{place}/reactions",
    ]
    assert f"GET {repo}/issues/1/comments" in asked(world)[3:]
    assert run.owner == "github:ada"


async def test_a_delivery_is_taken_while_the_worker_waits_for_github(world: World) -> None:
    held = world.forge.fail("GET", "/permission", Fault(late_s=3600))
    await world.comment("/coding-agent greet twice")
    working = asyncio.create_task(world.worker.run())
    await until(lambda: not held.times)
    before = asked(world)
    await world.comment("/coding-agent and wave", "ben")
    assert kept(world) == ["comment:octo/sample:1000", "comment:octo/sample:1001"]
    assert len(world.woken) == 2
    assert asked(world) == before
    assert not working.done()
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    world.forge.forgive()


async def test_eyes_do_not_wait_for_comments_of_other_threads(world: World) -> None:
    for number in (1, 2, 3):
        world.hosted.issues[number] = ("Greet", "")
        thread = Thread(repo="octo/sample", number=number, note="There is no run here.")
        await thread.keep(world.deliveries, live=True)
    held = world.forge.fail("POST", "/issues/2/comments", Fault(late_s=0.5))
    working = asyncio.create_task(world.worker.run())
    await until(lambda: not held.times)
    await world.comment("/coding-agent greet twice", "ben")
    world.worker.wake()
    last = "POST /repos/octo/sample/issues/3/comments"
    await until(lambda: last in asked(world))
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    (eyes,) = [call for call in asked(world) if call.endswith("/reactions")]
    assert asked(world).index(eyes) < asked(world).index(last)


class CountedDeliveries(TableDeliveries):
    """Counts how often it is asked for what waits: each time all that is kept is read."""

    asked = 0

    async def claim(self, now: float) -> Delivery | None:
        self.asked += 1
        return await super().claim(now)


async def test_a_round_asks_once_for_what_waits_however_many_threads_there_are(
    world: World,
) -> None:
    """Also once the worker was woken, as it is by itself after an act was postponed."""
    deliveries = CountedDeliveries(MemoryTable())
    for number in (1, 2, 3):
        world.hosted.issues[number] = ("Greet", "")
        thread = Thread(repo="octo/sample", number=number, note="There is no run here.")
        await thread.keep(deliveries, live=True)
    acts = ThreadActs(deliveries, world.github, world.service, world.rules, DayLimits())
    worker = TriggerWorker(deliveries, acts)
    worker.wake()
    await worker.drain(0)
    assert len(world.ours) == 3
    assert deliveries.asked == 1


async def test_what_became_of_a_run_is_shown_at_once(world: World) -> None:
    """The worker looks by itself once a minute only."""
    world.service.observe(world.worker.on_event)
    world.house.pace.hold("code")
    await world.comment("/coding-agent greet twice")
    working = asyncio.create_task(world.worker.run())
    await world.house.pace.reached("code")
    await until(lambda: bool(world.ours))
    world.house.pace.let_go("code")
    await until(lambda: "Done." in world.ours[0], 30)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
