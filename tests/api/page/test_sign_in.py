"""A service with keys, in a real browser: signing in, what is another's, signing out."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Route

from api.http.guards.auth import Auth
from tests.standins.servers.http_service import KEYS
from tests.support.page.page_world import PageWorld, page_world
from tests.support.page.replayed_runs import waiting_run

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PageWorld]:
    async with page_world(tmp_path_factory.mktemp("page"), auth=Auth(KEYS, ("bob",))) as world:
        yield world


async def test_a_key_signs_in_and_is_not_kept(world: PageWorld) -> None:
    run_id = await world.replay(waiting_run(owner="ann"))
    other = await world.replay(waiting_run(owner="bob", prompt="Of another"))
    async with world.tab(f"runs/{run_id}") as tab:
        page = tab.page
        await page.get_by_label("Your key").fill("not the key of anybody")
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_role("alert").wait_for()
        assert await tab.violations() == []
        await page.get_by_label("Your key").fill(KEYS[0][1])
        await page.keyboard.press("Enter")
        await page.get_by_role("heading", name="The plan waits for your answer").wait_for()
        kept = await page.evaluate("document.cookie + JSON.stringify({...localStorage})")
        assert KEYS[0][1] not in kept
        assert KEYS[0][1] not in await page.content()
        await tab.go("")
        await page.locator(".row").first.wait_for()
        assert await page.locator(".row").count() == 1
        await tab.go(f"runs/{other}")
        await page.get_by_role("alert").get_by_text("There is no such run.").wait_for()
        await page.get_by_role("button", name="Sign out").click()
        await page.get_by_label("Your key").wait_for()
        await tab.go(f"runs/{run_id}")
        await page.get_by_label("Your key").wait_for()


async def test_a_browser_that_keeps_no_session_is_told_so(world: PageWorld) -> None:
    async with world.tab() as tab:
        page = tab.page
        await page.route("**/session", keep_nothing)
        await page.get_by_label("Your key").fill(KEYS[0][1])
        await page.keyboard.press("Enter")
        await page.get_by_role("alert").get_by_text("did not keep the session").wait_for()
        await page.unroute("**/session")
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_role("heading", name="Runs").wait_for()


async def keep_nothing(route: Route) -> None:
    """What a browser makes of a cookie that it does not take."""
    if route.request.method == "POST":
        await route.fulfill(status=204)
    else:
        await route.continue_()


async def test_a_colleague_reads_and_does_not_act(tmp_path: Path) -> None:
    async with page_world(tmp_path, auth=Auth(KEYS), team=True) as world:
        run_id = await world.replay(waiting_run(owner="bob"))
        async with world.tab(f"runs/{run_id}") as tab:
            page = tab.page
            await page.get_by_label("Your key").fill(KEYS[0][1])
            await page.keyboard.press("Enter")
            await page.get_by_role("heading", name="Plan", exact=True).wait_for()
            assert await page.locator(".status", has_text="Waits").count() == 1
            for name in ("Approve", "Reject", "Cancel run", "Send"):
                assert await page.get_by_role("button", name=name).count() == 0
            await tab.go("")
            await page.locator(".row").first.wait_for()
            assert await page.locator("h2.group").all_inner_texts() == ["At work 1"]
            assert await page.title() == "Runs \N{MIDDLE DOT} Coding agent"
