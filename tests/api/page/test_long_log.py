"""A run of 100,000 events: only what is looked at is read and drawn."""

import asyncio

import pytest

from graph.events import Event, RoleText
from tests.support.page.page_world import PageWorld
from tests.support.page.replayed_runs import Replayed, called, finished, started, visit

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

EVENTS = 100_000


async def test_the_newest_is_drawn_and_older_ones_on_demand(world: PageWorld) -> None:
    work: list[Event] = []
    for number in range(EVENTS // 3):
        said = RoleText(role="coder", text=f"Step {number}.")
        work += [said, *called(number, f"sed -n {number}p file.py", f"output {number}")]
    events = [*started(), *visit("code", work), finished("failed", "claude_unavailable")]
    run_id = await world.replay(Replayed(prompt="p", events=events, status="failed"))
    async with world.tab() as tab:
        read: list[str] = []
        tab.page.on("request", lambda request: read.append(request.url))
        await tab.go(f"runs/{run_id}")
        timeline = tab.page.get_by_role("region", name="Timeline")
        await timeline.get_by_text("Ended: failed").wait_for()
        assert [url for url in read if "/events" in url] == [
            f"{tab.address}/runs/{run_id}/events?last=200"
        ]
        assert await timeline.locator("li").count() < 120
        above = await timeline.locator("li").first.inner_text()
        while len([url for url in read if "/events" in url]) < 4:
            await timeline.evaluate("pane => { pane.scrollTop = 0; }")
            await tab.page.wait_for_timeout(20)
        assert await timeline.locator("li").count() < 120
        assert await timeline.locator("li").first.inner_text() != above
        assert await timeline.get_by_text("(a call before)").count() <= 1
        assert await tab.heap_mb() < 150


async def test_the_newest_stays_in_view_while_events_come(world: PageWorld) -> None:
    work: list[Event] = [RoleText(role="coder", text=f"Step {number}.") for number in range(60)]
    events = [*started(), *visit("code", work, ends=False)]
    run_id = await world.replay(Replayed(prompt="p", events=events, status="running"))
    async with world.tab(f"runs/{run_id}") as tab:
        timeline = tab.page.get_by_role("region", name="Timeline")
        await timeline.get_by_text("Step 59.").wait_for()
        for number in range(30):
            await world.service.message(run_id, world.caller, f"Word {number}.\nAnd more.")
            await timeline.get_by_text(f"Word {number}.").wait_for(timeout=10_000)
        assert await tab.page.get_by_role("button", name="Newest").count() == 0
        newest = tab.page.get_by_role("button", name="Newest")
        async with asyncio.timeout(60):
            while not await newest.count():  # an event that comes now takes the view with it
                await timeline.evaluate("pane => { pane.scrollTop -= 400; }")
                await asyncio.sleep(0.1)
        await newest.click()
        await timeline.get_by_text("Word 29.").wait_for()
