"""A whole run, started and watched in a browser; every part is real but Claude's replies."""

import pytest

from demo.environment import open_stage
from demo.script.sample_repository import NAME, REQUEST, make_sample
from demo.temporary_folder import temporary_folder
from tests.support.page.browser import open_browser
from wiring import Settings

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]


async def test_a_run_is_started_and_watched_to_its_pull_request() -> None:
    with temporary_folder() as folder:
        sample = make_sample(folder / "sample")
        async with (
            open_stage(folder, sample, Settings(), live=False) as stage,
            open_browser() as browser,
            browser.tab(stage.service) as tab,
        ):
            page = tab.page
            await tab.go("new")
            await page.get_by_label("Repository").fill(f"{stage.forge_address}/{NAME}")
            await page.get_by_label("What should change").fill(REQUEST)
            await page.get_by_role("button", name="Start the run").click()
            timeline = page.get_by_role("region", name="Timeline")
            await timeline.locator(".hunk .line.added").first.wait_for()
            await page.locator(".status", has_text="Done").wait_for(timeout=300_000)
            head = await page.locator(".run-head").inner_text()
            for words in ("new tests fail without the change", "review approves", "gate passed"):
                assert words in head
            assert await page.locator(".node.done", has_text="fix").get_by_text("2").count() == 1
            rail = await page.locator(".rail").inner_text()
            for words in ("10 tests", "13 tests", "planner", "fixer", "claude-opus", "sha256:"):
                assert words in rail
            await page.get_by_role("tab", name="Change").click()
            await page.get_by_role("region", name="Change of tinybill/reader.py").wait_for()
            assert await tab.violations() == []
            link = page.get_by_role("link", name="Pull request #1").first
            assert await link.get_attribute("href") == f"{stage.forge_address}/{NAME}/pull/1"
