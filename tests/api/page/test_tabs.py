"""Several tabs, one of them looked at: each holds only the connections that it needs."""

from typing import Any, Final

import pytest

from tests.support.page.page_world import PageWorld
from tests.support.page.replayed_runs import running_run
from tests.support.polling import until

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

BEHIND: Final = """
window.isBehind = true;
Object.defineProperty(document, "hidden", { get: () => window.isBehind });
window.Notification = class { static permission = "granted"; };
"""
"""A tab that is not looked at, of a browser that notifies."""
LOOK: Final = """
window.isBehind = false;
document.dispatchEvent(new Event("visibilitychange"));
"""


def streams(asked: list[str]) -> list[str]:
    return [url.rpartition("/")[2] for url in asked if "/events" in url]


def note_requests(page: Any) -> list[str]:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    return asked


async def test_a_tab_that_nobody_looks_at_holds_no_stream_of_a_run(world: PageWorld) -> None:
    run_id = await world.replay(running_run())
    async with world.browser.tab(world.address) as tab:
        asked = note_requests(tab.page)
        await tab.page.add_init_script(BEHIND)
        await tab.go(f"runs/{run_id}")
        await tab.page.locator(".run-head").wait_for()
        await until(lambda: "events" in streams(asked))
        assert streams(asked) == ["events"]
        await tab.page.evaluate(LOOK)
        await tab.page.get_by_text("I read how amounts come in.").wait_for()


async def test_one_tab_alone_watches_where_nobody_looks(world: PageWorld) -> None:
    run_id = await world.replay(running_run())
    async with world.browser.tab(world.address) as tab:
        await tab.page.context.add_init_script(BEHIND)
        pages = [tab.page, await tab.page.context.new_page(), await tab.page.context.new_page()]
        asked = [note_requests(page) for page in pages]
        for page in pages:
            await page.goto(f"{world.address}/#/runs/{run_id}")
            await page.locator(".run-head").wait_for()
        await until(lambda: any(map(streams, asked)))
        first = next(number for number, each in enumerate(asked) if streams(each))
        await tab.page.wait_for_timeout(500)
        assert [len(streams(each)) for each in asked].count(0) == 2
        others = [number for number in range(3) if number != first]
        await pages[first].evaluate(LOOK)
        await until(lambda: any(streams(asked[number]) for number in others))
