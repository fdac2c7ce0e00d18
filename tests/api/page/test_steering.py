"""What a reader does on the page, while others act on the same run."""

import asyncio
import json
from typing import Any, Final

import pytest

from tests.standins.servers.http_service import CODE
from tests.support.page.page_world import PageWorld
from tests.support.page.replayed_runs import (
    Replayed,
    finished,
    running_run,
    started,
    waiting_run,
)

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

FOCUSED: Final = "document.activeElement.innerText || document.activeElement.id"


async def test_an_answer_names_the_plan_that_it_was_written_for(world: PageWorld) -> None:
    run_id = await world.replay(waiting_run())
    sent: list[Any] = []

    async def change_plan(route: Any) -> None:
        answer = await route.fetch()
        view = await answer.json() | {"planId": "plan-2", "prompt": "Planned again"}
        await route.fulfill(response=answer, body=json.dumps(view))

    async with world.tab(f"runs/{run_id}") as tab:
        page = tab.page
        await page.get_by_role("button", name="Edit").click()
        await page.get_by_label("Steps, one a line").fill("Mine")
        await page.route(f"**/runs/{run_id}", change_plan)
        await world.service.message(run_id, world.caller, "Look.")
        await page.get_by_text("Another plan waits by now.").wait_for()
        page.on("request", lambda request: sent.append((request.method, request.post_data)))
        await page.get_by_role("button", name="Approve this plan").click()
        answers = [json.loads(body) for method, body in sent if method == "POST"]
        assert [answer["planId"] for answer in answers] == ["plan-1"]


async def test_the_focus_goes_to_what_is_asked(world: PageWorld) -> None:
    run_id = await world.replay(waiting_run())
    async with world.tab(f"runs/{run_id}") as tab:
        page = tab.page
        for press, focused in [
            ("Cancel run", "Stop it now"),
            ("Keep it", "Cancel run"),
            ("Edit", "plan-summary"),
            ("Back", "Approve"),
            ("Revise", "feedback"),
        ]:
            await page.get_by_role("button", name=press).press("Enter")
            await page.wait_for_function(f"() => ({FOCUSED}) === {json.dumps(focused)}")


async def test_a_message_that_is_typed_while_one_is_sent_stays(world: PageWorld) -> None:
    run_id = await world.replay(running_run())
    sending = asyncio.Event()

    async def hold(route: Any) -> None:
        await sending.wait()
        await route.continue_()

    async with world.tab(f"runs/{run_id}") as tab:
        await tab.page.route(f"**/runs/{run_id}/messages", hold)
        message = tab.page.get_by_label("Message to the working role")
        await message.fill("The first")
        send = tab.page.get_by_role("button", name="Send")
        await send.click()
        await message.fill("The second")
        sending.set()
        await tab.page.locator(".item-message", has_text="The first").wait_for()
        await send.and_(tab.page.locator(":enabled")).wait_for()
        assert await message.input_value() == "The second"


async def test_a_run_that_is_resumed_elsewhere_goes_on_in_an_open_page(world: PageWorld) -> None:
    world.house.pace.hold("code")
    calls = world.house.pace.calls("code")
    async with world.tab() as tab:
        answer = await tab.page.request.post(
            f"{tab.address}/code", data=CODE, headers={"Prefer": "respond-async"}
        )
        run_id = answer.headers["x-run-id"]
        await world.house.pace.reached("code", calls + 1)
        await tab.go(f"runs/{run_id}")
        status = tab.page.locator(".verdict .status")
        await status.get_by_text("Running").wait_for()
        await world.service.cancel(run_id, world.caller)
        await status.get_by_text("Cancelled").wait_for()
        world.house.pace.let_go("code")
        await world.service.resume(run_id, world.caller)
        await status.get_by_text("Done").wait_for()
        timeline = tab.page.get_by_role("region", name="Timeline")
        await timeline.get_by_text("Pull request #1").wait_for()


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        ("budget_exhausted", None, "Raise the limit that ended it"),
        ("budget_exhausted", "tokens_spent", "Its limit of tokens is the service's"),
        ("incomplete", "fix_rounds_exhausted", "Raise the limit that ended it"),
        ("incomplete", "not_validated", ""),
    ],
)
async def test_only_a_limit_that_ended_a_run_is_to_be_raised(
    status: Any, reason: str | None, words: str, world: PageWorld
) -> None:
    events = [*started(), finished(status, reason)]
    run_id = await world.replay(Replayed(prompt="p", events=events, status=status))
    async with world.tab(f"runs/{run_id}") as tab:
        await tab.page.get_by_role("button", name="Resume").click()
        told = await tab.page.locator(".resume p").first.inner_text()
    assert words in told
    assert bool(words) == ("limit" in told)
