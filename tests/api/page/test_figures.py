"""The table of figures in a real browser, over a real service."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from graph.values import Status
from tests.support.page.browser import Scheme
from tests.support.page.page_world import PageWorld, page_world
from tests.support.page.replayed_runs import Replayed, finished, published_run, started

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PageWorld]:
    async def merged(repo_url: str, _since: float) -> frozenset[int] | None:
        return frozenset((1, 2, 9)) if repo_url.endswith("acme/ledger") else None

    async with page_world(tmp_path_factory.mktemp("page"), merged_pulls=merged) as world:
        yield world


async def test_a_row_a_week_and_repository(world: PageWorld) -> None:
    async with world.tab("figures") as tab:
        await tab.page.get_by_text("No run in these weeks.").wait_for()
    events = [*started(), finished("failed", "claude_unavailable")]
    await world.replay(Replayed(prompt="p", events=events, status="failed", age_s=15 * 7 * 86_400))
    for number in (1, 2, 3):
        draft = number == 3
        status: Status = "incomplete" if draft else "succeeded"
        ended = finished(status, "not_validated" if draft else None)
        events = [*published_run(number, draft=draft), ended]
        await world.replay(Replayed(prompt="p", events=events, status=status))
    unknown = [*published_run(7), finished("succeeded")]
    await world.replay(Replayed(prompt="p", events=unknown, repo="acme/other"))
    async with world.tab("figures") as tab:
        rows = tab.page.locator("tbody tr")
        await rows.first.wait_for()
        told = [text.split("\t") for text in await rows.all_inner_texts()]
        known = next(row for row in told if row[1] == "acme/ledger")
        assert known[2:7] == ["3", "3", "2", "$1.41", "$0.70"]
        assert known[8].strip() == "1 \N{MULTIPLICATION SIGN} not validated"
        other = next(row for row in told if row[1] == "acme/other")
        assert other[4] == other[6] == "\N{EN DASH}"
        total = (await tab.page.locator("tfoot tr").inner_text()).split("\t")
        assert total[1:5] == ["4", "4", "\N{EN DASH}", "$1.88"]
        assert await rows.count() == 2
        await tab.page.get_by_label("Weeks").select_option("26")
        await rows.nth(2).wait_for()
        async with tab.page.expect_download() as saved:
            await tab.page.get_by_role("link", name="CSV").click()
        text = (await (await saved.value).path()).read_text()
        assert text.startswith("week,repo,runs,")
        assert len(text.splitlines()) == 4


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_is_wrong_for_assistive_technology(
    world: PageWorld, width: int, scheme: Scheme
) -> None:
    await world.replay(Replayed(prompt="p", events=[*started(), finished("failed")]))
    async with world.tab("figures", width=width, scheme=scheme) as tab:
        await tab.page.locator("tbody tr").first.wait_for()
        assert await tab.violations() == []
        assert await tab.page.evaluate("document.documentElement.scrollWidth") <= width
