"""Calls that fail, come late or come in another order: the page comes back to what is so."""

import asyncio
from typing import Any, Final

import pytest

from tests.support.page.page_world import PageWorld
from tests.support.page.replayed_runs import (
    Replayed,
    called,
    finished,
    running_run,
    started,
    visit,
)

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

BLINK: Final = """
let isHidden = false;
Object.defineProperty(document, "hidden", { get: () => isHidden });
for (isHidden of [true, false]) document.dispatchEvent(new Event("visibilitychange"));
"""
"""Look away for a moment."""


class Refusing:
    """Refuses the first calls of an address as a service does that is away."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.calls = 0

    async def __call__(self, route: Any) -> None:
        self.calls += 1
        self.left -= 1
        await (route.abort() if self.left >= 0 else route.continue_())


async def test_a_run_that_could_not_be_read_is_read_again(world: PageWorld) -> None:
    run_id = await world.replay(running_run())
    async with world.tab() as tab:
        await tab.page.route(f"**/runs/{run_id}", Refusing(1))
        await tab.go(f"runs/{run_id}")
        await tab.page.get_by_text("The service cannot be reached.").wait_for()
        await tab.page.get_by_text("I read how amounts come in.").wait_for()


async def test_the_list_is_read_again_though_one_looks_away(world: PageWorld) -> None:
    await world.replay(running_run(prompt="Read again"))
    async with world.browser.tab(world.address) as tab:
        await tab.page.route("**/runs?*", Refusing(1))
        await tab.go()
        await tab.page.get_by_text("The service cannot be reached.").wait_for()
        assert await tab.page.get_by_text("No run yet.").count() == 0
        await tab.page.evaluate(BLINK)
        await tab.page.locator(".row", has_text="Read again").wait_for()
        await tab.page.get_by_text("Connecting").wait_for(state="detached")


async def test_what_happened_while_the_stream_was_away_is_in_the_list(world: PageWorld) -> None:
    async with world.browser.tab(world.address) as tab:
        await tab.page.add_init_script(ONCE_CUT)
        await tab.go()
        await tab.page.wait_for_function("() => window.cut")
        await world.replay(running_run(prompt="Meanwhile", age_s=300))
        await tab.page.evaluate("window.cut()")
        await tab.page.locator(".row", has_text="Meanwhile").wait_for()


ONCE_CUT: Final = """
const real = window.fetch;
window.fetch = (path, ...more) => {
  if (path !== "/events" || window.cut) return real(path, ...more);
  return Promise.resolve(new Response(new ReadableStream({
    start(stream) { window.cut = () => stream.error(new TypeError("network error")); },
  })));
};
"""
"""The first stream of all runs says nothing until it breaks."""


async def test_older_events_are_asked_for_with_pauses_while_they_cannot_be_had(
    world: PageWorld,
) -> None:
    work = [event for number in range(200) for event in called(number, "true", "")]
    events = [*started(), *visit("code", work), finished("failed", "claude_unavailable")]
    run_id = await world.replay(Replayed(prompt="p", events=events, status="failed"))
    async with world.tab() as tab:
        refusing = Refusing(1000)
        await tab.page.route("**/events?before=*", refusing)
        await tab.go(f"runs/{run_id}")
        timeline = tab.page.get_by_role("region", name="Timeline")
        await timeline.get_by_text("Ended: failed").wait_for()
        await timeline.evaluate("pane => { pane.scrollTop = 0; }")
        await tab.page.wait_for_timeout(2_000)
        assert refusing.calls <= 2
        refusing.left = 0
        async with asyncio.timeout(60):
            while not await timeline.locator(".item-node", has_text="prepare").count():
                await timeline.evaluate("pane => { pane.scrollTop = 0; }")
                await asyncio.sleep(0.1)


async def test_an_answer_that_comes_late_does_not_take_the_page_back(world: PageWorld) -> None:
    run_id = await world.replay(running_run())
    late, held, asked = asyncio.Event(), asyncio.Event(), 0

    async def hold_the_second(route: Any) -> None:
        nonlocal asked
        asked += 1
        if asked == 2:
            answer = await route.fetch()
            held.set()
            await late.wait()
            await route.fulfill(response=answer)
        else:
            await route.continue_()

    async with world.tab() as tab:
        await tab.page.route(f"**/runs/{run_id}", hold_the_second)
        await tab.go(f"runs/{run_id}")
        await tab.page.get_by_text("I read how amounts come in.").wait_for()
        await world.service.message(run_id, world.caller, "Look.")
        await held.wait()
        await world.service.cancel(run_id, world.caller)
        await tab.page.locator(".verdict .status", has_text="Cancelled").wait_for()
        late.set()
        await tab.page.wait_for_timeout(500)
        assert await tab.page.locator(".verdict .status", has_text="Cancelled").count() == 1
