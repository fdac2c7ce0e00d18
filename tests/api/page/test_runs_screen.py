"""The list of runs in a real browser, over a real service."""

import re

import pytest

from tests.standins.servers.http_service import CODE
from tests.support.page.browser import Scheme, Tab
from tests.support.page.page_world import PageWorld
from tests.support.page.replayed_runs import Replayed as Run
from tests.support.page.replayed_runs import many_runs, running_run, started, waiting_run

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


async def titles(tab: Tab) -> list[str]:
    found: list[str] = await tab.page.locator("h2.group").all_inner_texts()
    return found


async def test_a_service_without_runs_says_how_to_begin(world: PageWorld) -> None:
    async with world.tab() as tab:
        await tab.page.get_by_role("link", name="Start the first one").click()
        await tab.page.get_by_role("heading", name="New run").wait_for()


async def test_those_that_wait_come_first_then_those_at_work(world: PageWorld) -> None:
    for run in many_runs(498):
        await world.replay(run)
    await world.replay(Run(prompt="At work", status="running", events=started()))
    await world.replay(waiting_run(prompt="Waits\nsecond line"))
    async with world.tab() as tab:
        rows = tab.page.locator(".row")
        await rows.nth(499).wait_for()
        assert await titles(tab) == ["Waiting for you 1", "At work 1", "Ended 498"]
        assert "Waits\nWaits" in await rows.first.inner_text()
        assert "second line" not in await rows.first.inner_text()
        assert await tab.page.title() == "(1) Runs · Coding agent"
        assert await tab.page.evaluate("document.documentElement.scrollWidth") <= 1280


async def test_rows_change_without_reloading(world: PageWorld) -> None:
    async with world.tab() as tab:
        await tab.page.locator(".row").first.wait_for()
        await tab.page.evaluate("window.loadedOnce = true")
        world.house.pace.hold("plan")
        run = await tab.page.request.post(
            f"{tab.address}/code",
            data=CODE | {"prompt": "Seen live"},
            headers={"Prefer": "respond-async"},
        )
        row = tab.page.locator(".row", has_text="Seen live")
        await row.get_by_text("Running").wait_for()
        assert run.ok
        world.house.pace.let_go("plan")
        await row.get_by_text("Done").wait_for()
        assert "#1" in await row.inner_text()
        assert await tab.page.evaluate("window.loadedOnce")


async def test_a_removed_run_leaves_the_list_without_reloading(world: PageWorld) -> None:
    run_id = await world.replay(Run(prompt="Soon gone", status="failed", events=started()))
    async with world.tab() as tab:
        row = tab.page.locator(".row", has_text="Soon gone")
        await row.wait_for()
        assert (await tab.page.request.delete(f"{tab.address}/runs/{run_id}")).status == 204
        await row.wait_for(state="detached")
        assert await tab.page.locator(".row").count() > 100


async def test_everything_goes_by_keyboard(world: PageWorld) -> None:
    async with world.tab() as tab:
        page = tab.page
        await page.locator(".row").first.wait_for()
        focused = "document.activeElement.innerText"
        await page.keyboard.press("j")
        first = await page.evaluate(focused)
        await page.keyboard.press("j")
        second = await page.evaluate(focused)
        await page.keyboard.press("k")
        assert await page.evaluate(focused) == first != second
        await page.keyboard.press("/")
        await page.keyboard.type("ledger j/k")
        assert await page.get_by_label("Search runs").input_value() == "ledger j/k"
        await page.keyboard.press("Escape")
        await page.keyboard.press("/")
        await page.get_by_label("Search runs").fill("waits")
        await page.keyboard.press("Escape")
        await page.keyboard.press("j")
        await page.keyboard.press("Enter")
        await page.get_by_role("heading", name="Waits All of it").wait_for()
        assert "#/runs/" in page.url


async def test_search_and_filters_narrow_the_list(world: PageWorld) -> None:
    async with world.tab() as tab:
        await tab.page.locator(".row").first.wait_for()
        await tab.page.get_by_label("Search runs").fill("acme/ledger cancelled")
        for text in await tab.page.locator(".row").all_inner_texts():
            assert re.search("acme/ledger", text)
            assert re.search("Cancelled", text)
        await tab.page.get_by_label("Search runs").fill("no run has these words")
        await tab.page.get_by_text("No run fits.").wait_for()
        await tab.page.get_by_label("Search runs").fill("")
        await tab.page.get_by_role("button", name="At work").click()
        assert [title.split(" ")[0] for title in await titles(tab)] == ["At"]


async def test_the_way_back_leads_to_what_was_found(world: PageWorld) -> None:
    await world.replay(running_run(repo="acme/ledger"))
    async with world.tab() as tab:
        await tab.page.get_by_label("Search runs").fill("acme/ledger")
        await tab.page.locator(".row-link").first.click()
        await tab.page.locator(".run-head").wait_for()
        await tab.page.go_back()
        await tab.wait_for_value("Search runs", "acme/ledger")


_RECORDER = """
window.told = [];
window.Notification = class {
  static permission = "granted";
  constructor(title, { body }) { window.told.push(`${title} / ${body}`); }
};
"""


async def test_a_run_that_ends_is_told_by_a_notification(world: PageWorld) -> None:
    async with world.browser.tab(world.address) as tab:
        await tab.page.add_init_script(_RECORDER)
        await tab.go("new")
        await tab.page.get_by_role("link", name="Runs").click()
        await tab.page.locator(".row").first.wait_for()
        world.house.pace.hold("plan")
        body = CODE | {"prompt": "To be told"}
        await tab.page.request.post(
            f"{tab.address}/code", data=body, headers={"Prefer": "respond-async"}
        )
        row = tab.page.locator(".row", has_text="To be told")
        await row.get_by_text("Running").wait_for()
        assert await tab.page.evaluate("told") == []
        world.house.pace.let_go("plan")
        await row.get_by_text("Done").wait_for()
        assert await tab.page.evaluate("told") == [
            "Done: To be told / Checked, reviewed and published."
        ]


async def test_the_question_whether_to_notify_is_asked_once(world: PageWorld) -> None:
    async with world.tab() as tab:
        question = tab.page.get_by_role("region", name="Notifications")
        if await tab.page.evaluate("Notification.permission") == "default":
            await question.get_by_role("button", name="No").click()
            assert await question.count() == 0
            await tab.page.reload()
            await tab.page.locator(".row").first.wait_for()
        assert await question.count() == 0


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_is_wrong_for_assistive_technology(
    world: PageWorld, width: int, scheme: Scheme
) -> None:
    async with world.tab(width=width, scheme=scheme) as tab:
        await tab.page.locator(".row").first.wait_for()
        await tab.page.get_by_label("Search runs").fill("json lab")
        assert await tab.violations() == []
        assert await tab.page.evaluate("document.documentElement.scrollWidth") <= width
