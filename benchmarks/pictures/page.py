"""`python -m benchmarks.pictures.page`: each screen of the page at two widths, light and dark.

Pictures go to `build/screenshots/`; those that README.md shows go to `docs/images/`, too.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from demo.environment import open_stage
from demo.script.sample_repository import NAME, REQUEST, make_sample
from demo.temporary_folder import temporary_folder
from tests.support.page.browser import Browser, Scheme, open_browser
from tests.support.page.page_world import service_world
from tests.support.page.replayed_runs import edited, many_runs, running_run, waiting_run
from wiring import Settings

ROOT: Final = Path(__file__).parents[2]
PICTURES: Final = ROOT / "build" / "screenshots"
SHOWN: Final = ROOT / "docs" / "images"
_SIZES: Final = {"wide": (1280, 800), "narrow": (390, 844)}
_SCHEMES: Final[tuple[Scheme, ...]] = ("light", "dark")
_IN_README: Final = ("runs-wide-light", "run-wide-light", "live-wide-dark")


@dataclass(frozen=True)
class Screen:
    """One screen: its hash, what shows that it is drawn, and what is clicked before."""

    name: str
    route: str
    drawn: str
    click: str = ""


async def main() -> None:
    """Make all pictures; say where they are."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    SHOWN.mkdir(parents=True, exist_ok=True)
    async with open_browser() as browser:
        async with _whole_run() as (address, screens):
            await _take_all(browser, address, screens)
        async with _many_runs() as (address, screens):
            await _take_all(browser, address, screens)
    print(f"The pictures are in {PICTURES}.")


async def _take_all(browser: Browser, address: str, screens: list[Screen]) -> None:
    for screen in screens:
        for size, (width, height) in _SIZES.items():
            for scheme in _SCHEMES:
                window: Any = {"width": width, "height": height, "scheme": scheme}
                async with browser.tab(address, **window) as tab:
                    await tab.page.add_init_script(
                        "localStorage.setItem('coding-agent.notifications-asked', 'yes')"
                    )
                    await tab.go(screen.route)
                    await tab.page.locator(screen.drawn).first.wait_for()
                    if screen.click:
                        await tab.page.locator(screen.click).first.click()
                    await tab.page.wait_for_timeout(400)  # for what is read meanwhile
                    name = f"{screen.name}-{size}-{scheme}"
                    await tab.page.screenshot(path=PICTURES / f"{name}.png")
                    if name in _IN_README:
                        (SHOWN / f"{name}.webp").write_bytes(await tab.webp())


@asynccontextmanager
async def _whole_run() -> AsyncIterator[tuple[str, list[Screen]]]:
    """The demo's run, played to its end."""
    with temporary_folder() as folder:
        sample = make_sample(folder / "sample")
        async with (
            open_stage(folder, sample, Settings(), live=False) as stage,
            httpx.AsyncClient(base_url=stage.service, timeout=120, trust_env=False) as http,
        ):
            body = {"repoUrl": f"{stage.forge_address}/{NAME}", "prompt": REQUEST}
            begun = await http.post("/code", json=body, headers={"Prefer": "respond-async"})
            run_id = begun.headers["X-Run-Id"]
            while (await http.get(f"/runs/{run_id}?wait=60")).json()["status"] != "succeeded":
                pass
            yield (
                stage.service,
                [
                    Screen("run", f"runs/{run_id}", ".item-say"),
                    Screen("change", f"runs/{run_id}?tab=change", ".file .hunk"),
                    Screen("details", f"runs/{run_id}?tab=details", ".receipt"),
                    Screen("environment", f"environments/{NAME}", ".card"),
                ],
            )


async def _merged(_repo_url: str, _since: float) -> frozenset[int]:
    return frozenset(range(400, 450))


@asynccontextmanager
async def _many_runs() -> AsyncIterator[tuple[str, list[Screen]]]:
    """A team's runs, replayed."""
    with temporary_folder() as folder:
        async with service_world(folder, merged_pulls=_merged) as world:
            for run in many_runs(60):
                await world.replay(run)
            live = await world.replay(running_run(events=edited(), age_s=95))
            more: dict[str, Any] = {"repo": "acme/importer", "owner": "chi", "age_s": 400}
            await world.replay(running_run(node="review", prompt="Cache the parsed schema", **more))
            waits = await world.replay(waiting_run(age_s=150))
            form = "new?repo=acme/ledger&prompt=Reject negative amounts in parse_amount&approve=yes"
            yield (
                world.address,
                [
                    Screen("runs", "", ".row"),
                    Screen("plan", f"runs/{waits}", ".plan.asks"),
                    Screen("live", f"runs/{live}", ".hunk"),
                    Screen("figures", "figures", ".table-pane"),
                    Screen("new", form, ".allowed"),
                ],
            )


if __name__ == "__main__":
    asyncio.run(main())
