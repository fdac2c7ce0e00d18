"""A run of 100,000 events: only what is looked at is read and drawn."""

import asyncio
from typing import Final

import pytest

from graph.events import Event, RoleText
from tests.support.page.page_world import PageWorld
from tests.support.page.replayed_runs import Replayed, called, finished, started, visit

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

EVENTS = 100_000


async def test_the_newest_is_drawn_and_older_ones_on_demand(world: PageWorld) -> None:
    work: list[Event] = []
    for number in range(EVENTS // 3):
        said = RoleText(role="coder", text=f"Step {number}.")
        work += [said, *called(number, f"sed -n {number}p file.py", f"output {number}")]
    events = [*started(), *visit("code", work), finished("failed", "claude_unavailable")]
    run_id = await world.replay(Replayed(prompt="p", events=events, status="failed"))
    async with world.tab() as tab:
        read: list[str] = []
        tab.page.on("request", lambda request: read.append(request.url))
        await tab.go(f"runs/{run_id}")
        timeline = tab.page.get_by_role("region", name="Timeline")
        await timeline.get_by_text("Ended: failed").wait_for()
        assert [url for url in read if "/events" in url] == [
            f"{tab.address}/runs/{run_id}/events?last=200"
        ]
        assert await timeline.locator("li").count() < 120
        above = await timeline.locator("li").first.inner_text()
        while len([url for url in read if "/events" in url]) < 4:
            await timeline.evaluate("pane => { pane.scrollTop = 0; }")
            await tab.page.wait_for_timeout(20)
        assert await timeline.locator("li").count() < 120
        assert await timeline.locator("li").first.inner_text() != above
        assert await timeline.get_by_text("(a call before)").count() <= 1
        assert await tab.heap_mb() < 150


async def test_the_newest_stays_in_view_while_events_come(world: PageWorld) -> None:
    work: list[Event] = [RoleText(role="coder", text=f"Step {number}.") for number in range(60)]
    events = [*started(), *visit("code", work, ends=False)]
    run_id = await world.replay(Replayed(prompt="p", events=events, status="running"))
    async with world.tab(f"runs/{run_id}") as tab:
        timeline = tab.page.get_by_role("region", name="Timeline")
        await timeline.get_by_text("Step 59.").wait_for()
        for number in range(30):
            await world.service.message(run_id, world.caller, f"Word {number}.\nAnd more.")
            await timeline.get_by_text(f"Word {number}.").wait_for(timeout=10_000)
        assert await tab.page.get_by_role("button", name="Newest").count() == 0
        newest = tab.page.get_by_role("button", name="Newest")
        async with asyncio.timeout(60):
            while not await newest.count():  # an event that comes now takes the view with it
                await timeline.evaluate("pane => { pane.scrollTop -= 400; }")
                await asyncio.sleep(0.1)
        await newest.click()
        await timeline.get_by_text("Word 29.").wait_for()


WALK: Final = """async ([count, size]) => {
  const { RunLog } = await import("/assets/app/model/run_log.js");
  const events = [];
  const tell = (type, more) => events.push({ seq: events.length + 1, type, time: "t", ...more });
  const coder = { role: "coder", tool: "bash", input: { command: "make" } };
  const call = (callId) => tell("tool.started", { callId, ...coder });
  const output = "o".repeat(size);
  const end = (callId) => tell("tool.finished", { callId, ok: true, output, exitCode: 0 });
  tell("node.started", { node: "code", visit: 1 });
  call("long");
  for (let number = 0; number < count; number += 1) {
    tell("role.text", { role: "coder", text: `Step ${number}.` });
    call(`c${number}`);
    end(`c${number}`);
  }
  end("long");
  tell("node.finished", { node: "code", visit: 1, outcome: "ok", durationMs: 5 });
  const log = new RunLog();
  const faults = [];
  let most = 0;
  const check = () => {
    most = Math.max(most, log.items.length);
    const isAtAnEnd = (at) => at < 2 || at > log.items.length - 3; // half is on another page
    log.items.forEach((item, at) => {
      if (at && item.seq < log.items[at - 1].seq) faults.push(`order at ${item.seq}`);
      const isHalf = item.kind === "tool" && !(item.done && item.tool);
      if (isHalf && !isAtAnEnd(at)) faults.push(`half at ${item.seq}`);
    });
    const keys = new Set(log.items.map((item) => item.key));
    if (keys.size < log.items.length) faults.push("a key twice");
  };
  const page = (before) => events.slice(Math.max(0, before - 501), before - 1);
  for (let at = 0; at < events.length; at += 200) log.append(events.slice(at, at + 200));
  check();
  const fromTheEnd = [log.firstSeq > 1, log.heldSeq === events.length];
  while (log.hasOlder) { log.prepend(page(log.firstSeq)); check(); }
  const [first, long] = log.items;
  const toTheBegin = [log.firstSeq, first.outcome, long.done, log.hasNewer];
  while (log.hasNewer) { log.extend(page(log.heldSeq + 501)); check(); }
  const atTheEnd = log.heldSeq === events.length;
  return { faults: faults.slice(0, 5), most, fromTheEnd, toTheBegin, atTheEnd };
}"""
"""A log that is told live, read back to its begin, then on to its end."""


@pytest.mark.parametrize(("count", "size", "most"), [(12_000, 20, 10_500), (1_500, 30_000, 2_200)])
async def test_a_part_of_the_log_is_kept_wherever_one_reads(
    count: int, size: int, most: int, world: PageWorld
) -> None:
    async with world.tab() as tab:
        told = await tab.page.evaluate(WALK, [count, size])
    assert told["faults"] == []
    assert told["most"] <= most
    assert told["fromTheEnd"] == [True, True]
    assert told["toTheBegin"] == [1, "ok", True, True]
    assert told["atTheEnd"]


AHEAD: Final = """async () => {
  const { RunLog } = await import("/assets/app/model/run_log.js");
  const events = (first, last) => Array.from({ length: last - first + 1 }, (_, at) => (
    { seq: first + at, type: "tool.started", callId: `c${first + at}`, role: "coder", time: "t",
      tool: "bash", input: { command: "x".repeat(60_000) } }));
  const log = new RunLog();
  log.append(events(1, 500), true);
  const wasBehind = log.hasNewer;
  while (log.heldSeq < 505) log.extend(events(log.heldSeq + 1, Math.min(log.heldSeq + 60, 505)));
  log.append(events(501, 510));
  const keys = log.items.map((item) => item.key);
  return { wasBehind, newest: log.heldSeq, isWhole: !log.hasNewer, keys };
}"""
"""A page that is read reaches beyond what the stream has told so far."""


async def test_events_that_a_page_brought_before_the_stream_are_here_once(world: PageWorld) -> None:
    async with world.tab() as tab:
        told = await tab.page.evaluate(AHEAD)
    keys = told.pop("keys")
    assert told == {"wasBehind": True, "newest": 510, "isWhole": True}
    assert keys == list(range(keys[0], 511))
