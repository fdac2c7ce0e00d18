"""What comes between a reader and a run: a session that ends, a stream that breaks, a removal."""

from collections.abc import AsyncIterator
from typing import Final

import pytest
import pytest_asyncio

from api.http.guards.auth import Auth
from tests.standins.servers.http_service import KEYS
from tests.support.page.browser import Tab
from tests.support.page.page_world import PageWorld, page_world
from tests.support.page.replayed_runs import (
    Replayed,
    called,
    finished,
    running_run,
    started,
    visit,
    waiting_run,
)

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

MUTE: Final = """
const real = window.fetch;
window.asked = 0;
window.fetch = (path, ...more) => {
  if (!/^.runs.*events/.test(path) || window.asked++) return real(path, ...more);
  return Promise.resolve(new Response(new ReadableStream({})));
};
"""
"""The first stream of a run says nothing and does not end."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PageWorld]:
    async with page_world(tmp_path_factory.mktemp("page"), auth=Auth(KEYS, ("ann",))) as world:
        yield world


async def sign_in(tab: Tab, number: int = 0) -> None:
    await tab.page.get_by_label("Your key").fill(KEYS[number][1])
    await tab.page.keyboard.press("Enter")


async def test_a_session_that_ends_leaves_what_was_typed(world: PageWorld) -> None:
    run_id = await world.replay(running_run(owner="ann"))
    async with world.tab(f"runs/{run_id}") as tab:
        page = tab.page
        await sign_in(tab)
        message = page.get_by_label("Message to the working role")
        await message.fill("Half a thought")
        await page.context.clear_cookies()
        await page.get_by_role("button", name="Send").dispatch_event("click")
        await page.get_by_role("dialog", name="Sign in again").wait_for()
        assert await tab.violations() == []
        for _ in range(3):  # the second in a row asks the page no more
            await page.keyboard.press("Escape")
        await page.get_by_role("dialog").wait_for()
        await sign_in(tab)
        await page.get_by_role("dialog").wait_for(state="detached")
        assert await message.input_value() == "Half a thought"
        await page.get_by_role("button", name="Send").click()
        await page.locator(".item-message", has_text="Half a thought").wait_for()


async def test_another_who_signs_in_finds_nothing_of_the_one_before(world: PageWorld) -> None:
    async with world.tab("new") as tab:
        page = tab.page
        await sign_in(tab)
        await page.get_by_label("What should change").fill("Secret plans")
        await page.context.clear_cookies()
        await page.evaluate("location.hash = '#/figures'")
        await page.get_by_role("dialog", name="Sign in again").wait_for()
        await sign_in(tab, 1)
        await page.get_by_role("dialog").wait_for(state="detached")
        await page.evaluate("location.hash = '#/new'")
        await page.get_by_label("What should change").wait_for()
        assert await page.get_by_label("What should change").input_value() == ""


async def test_nothing_is_asked_while_nobody_is_signed_in(world: PageWorld) -> None:
    async with world.tab() as tab:
        await tab.page.get_by_label("Your key").wait_for()
        asked = []
        tab.page.on("request", lambda request: asked.append(request.url))
        await tab.page.wait_for_timeout(4_000)
        assert asked == []


async def test_a_run_that_is_removed_says_so_and_offers_no_act(world: PageWorld) -> None:
    run_id = await world.replay(waiting_run(owner="ann"))
    async with world.tab(f"runs/{run_id}") as tab:
        await sign_in(tab)
        page = tab.page
        await page.get_by_role("button", name="Approve").wait_for()
        await world.store.delete(run_id, by="bob")
        await page.get_by_text("This run was removed.").wait_for()
        for name in ("Approve", "Cancel run", "Send"):
            assert await page.get_by_role("button", name=name).count() == 0
        assert await tab.violations() == []


async def test_a_stream_that_falls_silent_is_taken_up_again(world: PageWorld) -> None:
    events = [*started(), *visit("code", called(1, "make", "done")), finished("cancelled")]
    run_id = await world.replay(Replayed(prompt="p", events=events, status="cancelled"))
    async with world.tab() as tab:
        page = tab.page
        await sign_in(tab)
        await page.locator(".row").first.wait_for()
        await page.add_init_script(MUTE)
        await page.clock.install()
        await page.reload()
        await tab.go(f"runs/{run_id}")
        await page.get_by_text("Loading", exact=False).first.wait_for()
        await page.clock.fast_forward(46_000)
        await page.get_by_text("The connection is lost").wait_for()
        await page.clock.fast_forward(2_000)
        await page.locator(".item-tool").first.wait_for()
        assert await page.get_by_text("The connection is lost").count() == 0
