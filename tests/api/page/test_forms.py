"""The form of a new run and the environment of a repository, in a real browser."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
import pytest_asyncio

from graph.environment import Environment, EnvironmentCommand, LeftOut
from graph.environment_record import EnvironmentRecord
from graph.values import CommandReport, Validation
from sandbox.environments.records import LocalEnvironmentRecords
from tests.standins.servers.http_service import ScriptedProbes
from tests.support.page.page_world import PageWorld, page_world
from tests.support.page.replayed_runs import Replayed, started

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

RECORD = EnvironmentRecord(
    repo="o/r",
    sha="a" * 40,
    run_id="r1",
    made_at=0,
    environment=Environment(
        commands=(
            EnvironmentCommand(command="uv sync", duration_ms=4_000),
            EnvironmentCommand(command="npm ci", folder="web", status="failed", output="<b>no</b>"),
        ),
        left_out=(LeftOut(what="docs", why="no wheel"),),
        tools={"pytest": "8"},
        key="k",
    ),
    baseline=Validation(
        status="failed",
        commands=(CommandReport(command="pytest", exit_code=1, status="failed", duration_ms=5),),
    ),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PageWorld]:
    folder: Path = tmp_path_factory.mktemp("page")
    records = LocalEnvironmentRecords(folder / "environments", kept=())
    await records.put(RECORD)
    rights = {"o/r": (True, True), "o/read": (True, False)}
    probes = ScriptedProbes(rights=rights)

    async def listed() -> tuple[str, ...]:
        return ("acme/of-the-forge",)

    given = {"environments": records, "check_repo_url": str, "probes": probes}
    given["known_repositories"] = listed
    async with page_world(folder, repo_globs=lambda _: ("acme/*", "o/r"), **given) as world:
        yield world


async def test_a_link_fills_the_form_and_the_form_starts_a_run(world: PageWorld) -> None:
    given = {
        "repo": "o/r",
        "prompt": "Line one\n<b>two</b> & three",
        "base": "dev",
        "branch": "agent/topic",
        "approve": "yes",
        "money": "1.5",
        "validate": "make a\n\nmake b",
        "labels": "x, y",
        "allow-workflows": "yes",
    }
    async with world.tab(f"new?{urlencode(given)}") as tab:
        allowed = tab.page.locator(".allowed")
        assert "Work for 1 h at most" in await allowed.inner_text()
        assert "Spend up to $1.50." in await allowed.inner_text()
        assert "may also change workflows" in await allowed.inner_text()
        link = await tab.page.get_by_role("link", name="Link to this form").get_attribute("href")
        async with tab.page.expect_request("**/code") as sent:
            await tab.page.get_by_role("button", name="Start the run").click()
        body = json.loads((await sent.value).post_data)
        assert body == {
            "repoUrl": "o/r",
            "prompt": "Line one\n<b>two</b> & three",
            "baseBranch": "dev",
            "branch": "agent/topic",
            "approvePlan": True,
            "maxCostUsd": 1.5,
            "validate": ["make a", "make b"],
            "labels": ["x", "y"],
            "allow": ["workflows"],
        }
        await tab.page.get_by_role("heading", name="Line one").wait_for()
        await tab.page.get_by_role("heading", name="The plan waits for your answer").wait_for()
        await tab.page.goto(f"{tab.address}/{link}")
        assert await tab.page.get_by_label("What should change").input_value() == given["prompt"]


async def test_a_link_fills_a_form_that_is_open(world: PageWorld) -> None:
    async with world.tab("new") as tab:
        await tab.page.evaluate("location.hash = '#/new?repo=o%2Fr&prompt=Other'")
        await tab.wait_for_value("What should change", "Other")
        await tab.wait_for_value("Repository", "o/r")


async def test_the_form_offers_what_the_key_may_use(world: PageWorld) -> None:
    await world.replay(Replayed("Used before", events=started()))
    async with world.tab("new") as tab:
        field = tab.page.get_by_label("Repository")
        assert await field.get_attribute("placeholder") == "acme/*, o/r"
        offered = tab.page.locator("#repositories option")
        await tab.page.locator("option[value='acme/of-the-forge']").wait_for(state="attached")
        names = {await option.get_attribute("value") for option in await offered.all()}
        assert {"acme/ledger", "o/r"} <= names


async def test_the_form_says_what_is_refused_and_what_may_be_done(world: PageWorld) -> None:
    async with world.tab("new") as tab:
        page = tab.page
        assert await page.get_by_role("button", name="Start the run").is_disabled()
        for name, words in (
            ("o/r", "read it and push"),
            ("o/read", "not push"),
            ("o/none", "cannot read"),
        ):
            await page.get_by_label("Repository").fill(name)
            await page.get_by_label("What should change").fill("Change it.")
            await page.locator(".note", has_text=words).wait_for()
        await page.locator("summary").click()
        await page.get_by_label("Money at most").fill("1000")
        await page.get_by_role("button", name="Start the run").click()
        await page.get_by_role("alert").get_by_text("limit").first.wait_for()


async def test_an_environment_is_shown_and_forgotten(world: PageWorld) -> None:
    async with world.tab("environments/o/r", width=360) as tab:
        page = tab.page
        await page.get_by_text("$ uv sync").wait_for()
        text = await page.locator("main").inner_text()
        for words in ("web $ npm ci", "<b>no</b>", "docs", "no wheel", "$ pytest", "exit 1"):
            assert words in text
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360
        await page.get_by_role("button", name="Forget").click()
        await page.get_by_role("button", name="Forget it").click()
        await page.get_by_text("Forgotten.").wait_for()
        await tab.go("environments/o/unknown")
        await page.get_by_role("alert").get_by_text("No environment of o/unknown").wait_for()


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_is_wrong_for_assistive_technology(
    world: PageWorld, width: int, scheme: str
) -> None:
    async with world.tab("new?money=1&repo=o/none", width=width, scheme=scheme) as tab:
        assert await tab.violations() == []
        assert await tab.page.evaluate("document.documentElement.scrollWidth") <= width
        await tab.go("environments/o/none")
        await tab.page.get_by_role("alert").wait_for()
        assert await tab.violations() == []
