"""One run in a real browser: seen while it works, answered, steered."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from graph.events import (
    CancelRequested,
    ChangeUpdated,
    CheckFailed,
    Event,
    FailedJob,
    LimitsRaised,
    MessageAnswered,
    MessageRead,
    MessageReceived,
    PlanAnswered,
    ReviewComment,
    ReviewReceived,
    RoleText,
)
from graph.values import ChangedFile, Plan
from tests.standins.servers.http_service import CODE
from tests.standins.services.run_service import seen
from tests.support.page.browser import Scheme, Tab
from tests.support.page.page_world import PageWorld
from tests.support.page.replayed_runs import (
    BASE_SHA,
    Replayed,
    called,
    edited,
    finished,
    published_run,
    started,
    visit,
    waiting_run,
)

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


@asynccontextmanager
async def live_run(world: PageWorld, held: str, **fields: Any) -> AsyncIterator[tuple[str, Tab]]:
    """A run that stays at one of its roles, and its screen."""
    world.house.pace.hold(held)
    calls = world.house.pace.calls(held)
    try:
        async with world.tab() as tab:
            answer = await tab.page.request.post(
                f"{tab.address}/code", data=CODE | fields, headers={"Prefer": "respond-async"}
            )
            run_id = answer.headers["x-run-id"]
            await world.house.pace.reached(held, calls + 1)
            await tab.go(f"runs/{run_id}")
            await tab.page.locator(".run-head").wait_for()
            yield run_id, tab
    finally:
        if (world.house.pace.folder / f"hold-{held}").exists():
            world.house.pace.let_go(held)


async def test_what_money_did_not_suffice_for_is_told(world: PageWorld) -> None:
    said = "The next request could have cost $0.40; $0.12 were left."
    end = finished("incomplete", "budget_exceeded").model_copy(update={"explanation": said})
    run_id = await world.replay(Replayed(prompt="Reject it", events=[*started(), end]))
    async with world.tab(f"runs/{run_id}") as tab:
        head = tab.page.locator(".run-head")
        await head.wait_for()
        assert said in await head.inner_text()


async def test_who_wants_no_contributions_is_quoted(world: PageWorld) -> None:
    said = "AI_POLICY.md: “We take none of these.”"
    end = finished("rejected", "contributions_refused").model_copy(update={"explanation": said})
    run_id = await world.replay(Replayed(prompt="Offer it", events=[*started(), end]))
    async with world.tab(f"runs/{run_id}") as tab:
        head = tab.page.locator(".run-head")
        await head.wait_for()
        told = await head.inner_text()
        assert "takes no contributions of coding agents" in told
        assert said in told


async def test_the_verdict_stands_first(world: PageWorld) -> None:
    events = [*published_run(412), finished("succeeded")]
    run_id = await world.replay(Replayed(prompt="Reject it\nand more", events=events))
    async with world.tab(f"runs/{run_id}", width=360, height=740) as tab:
        head = tab.page.locator(".run-head")
        text = await head.inner_text()
        for words in ("Done", "checks pass", "review approves", "$0.47", "$5.00", "#412"):
            assert words in text
        box = await head.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 740
        assert "Done: Reject it" in await tab.page.title()
        link = tab.page.get_by_role("link", name="Pull request #412").first
        assert await link.get_attribute("href") == "https://github.com/acme/ledger/pull/412"
        branch = tab.page.get_by_role("link", name="agent/change-412").first
        fork = "https://github.com/octo-agent/ledger/tree/agent/change-412"
        assert await branch.get_attribute("href") == fork
        assert await tab.page.evaluate("document.documentElement.scrollWidth") <= 360


async def test_the_receipt_names_the_base_commit(world: PageWorld) -> None:
    run_id = await world.replay(
        Replayed("Receipt", events=[*started(), finished("failed", "internal")])
    )
    async with world.tab(f"runs/{run_id}") as tab:
        receipt = tab.page.get_by_role("region", name="Receipt")
        assert f"Base commit\n{BASE_SHA}" in await receipt.inner_text()


async def test_the_nodes_show_where_it_is(world: PageWorld) -> None:
    async with live_run(world, "code") as (_, tab):
        step = tab.page.locator(".nodes [aria-current=step]")
        await step.get_by_text("code", exact=True).wait_for()
        states = await tab.page.locator(".node").evaluate_all("all => all.map(e => e.className)")
        assert states == [
            *("node done", "node done", "node open", "node now"),
            *["node open"] * 4,
        ]
        world.house.pace.let_go("code")
        await tab.page.locator(".status", has_text="Done").wait_for()
        assert await tab.page.locator(".node.done").count() == 6


async def test_the_timeline_folds_tools_and_shows_edits(world: PageWorld) -> None:
    script = called(1, "pytest -q\nexit 3", "one\ntwo", 3)
    work = [RoleText(role="coder", text="I begin"), RoleText(role="coder", text=" here."), *script]
    work += edited("total = 1\nkeep\n", "total = 2\nkeep\n")
    events = [*started(), *visit("code", work, ends=False)]
    run_id = await world.replay(Replayed(prompt="p", events=events, status="running"))
    async with world.tab(f"runs/{run_id}") as tab:
        timeline = tab.page.get_by_role("region", name="Timeline")
        await timeline.get_by_text("I begin here.").wait_for()
        tool = timeline.get_by_role("button", name="$ pytest -q")
        assert "exit 3" in await tool.inner_text()
        assert await timeline.get_by_text("two").count() == 0
        await tool.click()
        await timeline.get_by_role("region", name="Output").wait_for()
        lines = timeline.locator(".hunk .line")
        kinds = await lines.evaluate_all(
            "all => all.map(e => e.className.trim() + ':' + e.innerText)"
        )
        assert ["".join(kind.split("\n")) for kind in kinds] == [
            "line removed:-total = 1", "line added:+total = 2", "line:keep",
        ]  # fmt: skip
        colours = [
            await lines.nth(at).evaluate("e => getComputedStyle(e).backgroundColor")
            for at in (0, 1, 2)
        ]
        assert len(set(colours)) == 3


async def test_events_are_drawn_as_they_happen(world: PageWorld) -> None:
    async with live_run(world, "plan") as (_, tab):
        timeline = tab.page.get_by_role("region", name="Timeline")
        assert await timeline.get_by_text("I change").count() == 0
        world.house.pace.let_go("plan")
        await timeline.get_by_text("I change").wait_for()
        await timeline.get_by_text("Pull request #1").wait_for()


async def test_a_plan_is_approved(world: PageWorld) -> None:
    async with waiting(world) as (run_id, tab):
        await tab.page.get_by_role("button", name="Approve").click()
        await tab.page.locator(".status", has_text="Done").wait_for()
        assert (await world.store.get(run_id)) is not None


async def test_a_plan_is_edited(world: PageWorld) -> None:
    async with waiting(world) as (run_id, tab):
        await tab.page.get_by_role("button", name="Edit").click()
        await tab.page.get_by_label("Steps, one a line").fill("First\n\nSecond  ")
        await tab.page.get_by_role("button", name="Approve this plan").click()
        await tab.page.locator(".status", has_text="Done").wait_for()
        run = await world.store.get(run_id)
        assert run
        assert run.answer
        assert run.answer.approval.plan
        assert run.answer.approval.plan.steps == ("First", "Second")


async def test_a_plan_is_made_again_by_what_one_says(world: PageWorld) -> None:
    async with waiting(world) as (_, tab):
        await tab.page.get_by_role("button", name="Revise").click()
        button = tab.page.get_by_role("button", name="Plan again")
        assert await button.is_disabled()
        await tab.page.get_by_label("What to plan otherwise").fill("Smaller.")
        await button.click()
        await (
            tab.page.locator(".node.waits", has_text="approve")
            .get_by_text("2\N{MULTIPLICATION SIGN}")
            .wait_for()
        )
        await tab.page.get_by_role("button", name="Reject").click()
        await tab.page.locator(".status", has_text="Rejected").wait_for()


@asynccontextmanager
async def waiting(world: PageWorld) -> AsyncIterator[tuple[str, Tab]]:
    """A run of the scripted roles that waits for an answer, and its screen."""
    world.house.script.plans = [Plan(summary="do it", steps=("One",))]
    async with world.tab() as tab:
        answer = await tab.page.request.post(
            f"{tab.address}/code",
            data=CODE | {"approvePlan": True},
            headers={"Prefer": "respond-async"},
        )
        run_id = answer.headers["x-run-id"]
        await seen(world.service, run_id, "plan.waiting")
        await tab.go(f"runs/{run_id}")
        await tab.page.get_by_role("heading", name="The plan waits for your answer").wait_for()
        yield run_id, tab


async def test_a_refused_act_says_why(world: PageWorld) -> None:
    events = [*started(), finished("failed", "claude_unavailable")]
    run_id = await world.replay(Replayed(prompt="p", events=events, status="failed"))
    async with world.tab(f"runs/{run_id}") as tab:
        await tab.page.get_by_role("button", name="Resume").click()
        await tab.page.get_by_label("Fix rounds").fill("99")
        await tab.page.get_by_role("button", name="Carry it on").click()
        refusal = await tab.page.get_by_role("alert").inner_text()
        assert "limit" in refusal
        assert await tab.page.get_by_role("button", name="Carry it on").is_enabled()


async def test_a_run_is_told_something_and_cancelled(world: PageWorld) -> None:
    async with live_run(world, "code") as (_, tab):
        composer = tab.page.get_by_label("Message to the working role")
        await composer.fill("Leave the API as it is.")
        await composer.press("Control+Enter")
        await tab.wait_for_value("Message to the working role", "")
        message = tab.page.locator(".item-message")
        await message.get_by_text("Leave the API as it is.").wait_for()
        assert (await message.inner_text()).split("\n")[:2] == ["local", "queued"]
        await tab.page.get_by_role("button", name="Cancel run").click()
        await tab.page.get_by_role("button", name="Stop it now").click()
        await tab.page.locator(".status", has_text="Cancelled").wait_for()
        assert await composer.count() == 0


async def test_a_run_with_a_pull_request_is_followed(world: PageWorld) -> None:
    events = [*published_run(412), finished("succeeded")]
    run_id = await world.replay(Replayed(prompt="Reject it", events=events))
    async with world.tab(f"runs/{run_id}") as tab:
        request = tab.page.get_by_label("Request of a follow-up")
        start = tab.page.get_by_role("button", name="Start follow-up (≤ $5)")
        assert await start.is_disabled()
        await request.fill("And a test for zero.")
        await start.click()
        await tab.page.get_by_text("And a test for zero.").first.wait_for()
        await tab.page.wait_for_function("id => !location.hash.includes(id)", arg=run_id)
        followed = tab.page.url.rpartition("/")[2]
        answer = await tab.page.request.get(f"{tab.address}/runs/{followed}/events?before=9&last=9")
        begun = [each for each in (await answer.json())["events"] if each["type"] == "run.started"]
        assert [each["parentRunId"] for each in begun] == [run_id]


async def test_what_became_of_a_message_is_told(world: PageWorld) -> None:
    by = "ann"
    work: list[Event] = [
        MessageReceived(number=1, text="One <b>", by=by),
        MessageReceived(number=2, text="Two", by=by),
        MessageReceived(number=3, text="Three", by=by),
        MessageRead(number=1, role="coder"),
        MessageRead(number=2, role="coder"),
        MessageAnswered(number=1, role="coder"),
        LimitsRaised(max_cost_usd=7, by=by),
        CancelRequested(by=by),
        PlanAnswered(plan_id="p", decision="revise", feedback="Smaller.", by=by),
        ReviewReceived(by="ben", comments=(ReviewComment(path="a.py", line=3, text="<i>Slow"),)),
        CheckFailed(
            head="1" * 40,
            jobs=(
                FailedJob(name="<b>tests", url="https://example.org/jobs/1"),
                FailedJob(name="lint", url="javascript:alert(1)"),
            ),
        ),
    ]
    events = [*started(), *visit("code", work, ends=False)]
    run_id = await world.replay(Replayed(prompt="p", events=events, status="running"))
    async with world.tab(f"runs/{run_id}") as tab:
        messages = tab.page.locator(".item-message")
        await messages.nth(2).wait_for()
        told = await messages.all_inner_texts()
        assert [" ".join(text.split("\n")[:2]) for text in told] == [
            "ann answered by coder",
            "ann read by coder",
            "ann queued",
        ]
        told = ["raised limits", "cancelled the run", "asked for another plan", "Smaller."]
        for words in (*told, "ben reviewed the pull request", "<i>Slow"):
            await tab.page.get_by_text(words).wait_for()
        await tab.page.get_by_text("Checks of the pull request failed on 1111111111").wait_for()
        job = tab.page.get_by_role("link", name="<b>tests")
        assert await job.get_attribute("href") == "https://example.org/jobs/1"
        assert await tab.page.get_by_role("link", name="lint").count() == 0
        assert await tab.violations() == []


async def test_a_run_is_carried_on_with_a_higher_limit(world: PageWorld) -> None:
    async with live_run(world, "code", maxCostUsd=1) as (run_id, tab):
        await world.service.cancel(run_id, world.caller)
        await tab.page.get_by_role("button", name="Resume").click()
        world.house.pace.let_go("code")
        await tab.page.get_by_label("Money in all, US dollars").fill("3")
        await tab.page.get_by_role("button", name="Carry it on").click()
        await tab.page.locator(".status", has_text="Done").wait_for()
        run = await world.store.get(run_id)
        assert run
        assert run.request["max_cost_usd"] == 3


async def test_the_change_is_shown_by_file(world: PageWorld) -> None:
    files = (ChangedFile(path="ledger/amounts.py", added=1, removed=1),)
    changed = visit("code", [ChangeUpdated(digest="sha256:1", files=files)])
    events = [*started(), *changed, finished("cancelled")]
    run_id = await world.replay(Replayed(prompt="p", events=events, status="cancelled"))
    world.keep_diff(
        run_id,
        b"diff --git a/ledger/amounts.py b/ledger/amounts.py\n--- a/ledger/amounts.py\n"
        b"+++ b/ledger/amounts.py\n@@ -3,2 +3,2 @@ def f():\n-old\n+new\n same\n",
    )
    async with world.tab(f"runs/{run_id}?tab=change") as tab:
        part = tab.page.get_by_role("region", name="Change of ledger/amounts.py")
        words = (await part.inner_text()).split()
        assert " ".join(words) == "@@ -3,2 +3,2 @@ def f(): 3 - old 3 + new 4 4 same"


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_is_wrong_for_assistive_technology(
    world: PageWorld, width: int, scheme: Scheme
) -> None:
    waits = await world.replay(waiting_run())
    work = [*edited("a\n", "b\n"), *called(1, "make", "bad", 2)]
    ends = [*published_run(3), *visit("fix", work), finished("incomplete", "not_validated")]
    ended = await world.replay(Replayed(prompt="p\nq", events=ends, status="incomplete"))
    for run_id in (waits, ended):
        async with world.tab(f"runs/{run_id}", width=width, scheme=scheme) as tab:
            await tab.page.locator(".run-head").wait_for()
            await tab.page.get_by_role("region", name="Timeline").wait_for()
            assert await tab.violations() == []
            for name in ("Edit", "Resume"):
                if await tab.page.get_by_role("button", name=name).count():
                    await tab.page.get_by_role("button", name=name).click()
            if width < 1080:
                await tab.page.get_by_role("tab", name="Details").click()
            assert await tab.violations() == []
            assert await tab.page.evaluate("document.documentElement.scrollWidth") <= width
