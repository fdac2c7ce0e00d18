"""Browsers that refuse what others allow."""

from typing import Final

import pytest

from tests.standins.servers.http_service import CODE
from tests.support.page.page_world import PageWorld

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

NO_STORAGE: Final = """
Object.defineProperty(window, "localStorage", {
  get() { throw new DOMException("Access is denied for this document.", "SecurityError"); },
});
window.Notification = class { static permission = "default"; };
"""
NO_NOTIFICATION: Final = """
window.refused = 0;
window.Notification = class {
  static permission = "granted";
  constructor() { window.refused += 1; throw new TypeError("Illegal constructor."); }
};
"""


async def test_a_browser_that_keeps_nothing_shows_the_page(world: PageWorld) -> None:
    async with world.browser.tab(world.address) as tab:
        await tab.page.add_init_script(NO_STORAGE)
        await tab.go()
        await tab.page.get_by_label("Search runs").wait_for()


async def test_a_browser_that_makes_no_notification_shows_the_change(world: PageWorld) -> None:
    world.house.pace.hold("plan")
    async with world.browser.tab(world.address) as tab:
        await tab.page.add_init_script(NO_NOTIFICATION)
        await tab.go()
        body = CODE | {"prompt": "Ends soon"}
        await tab.page.request.post(
            f"{tab.address}/code", data=body, headers={"Prefer": "respond-async"}
        )
        row = tab.page.locator(".row", has_text="Ends soon")
        await row.get_by_text("Running").wait_for()
        world.house.pace.let_go("plan")
        await row.get_by_text("Done").wait_for()
        assert await tab.page.evaluate("window.refused") == 1
        await tab.page.wait_for_timeout(300)
        assert await tab.page.get_by_text("Connecting").count() == 0
