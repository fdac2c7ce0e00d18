"""What a repository, a model or a caller writes is text on the page, whatever it holds."""

import pytest

from graph.events import (
    ChangeUpdated,
    Event,
    GateFinished,
    NodeFinished,
    PlanReady,
    PlanWaiting,
    PrCreated,
    Retry,
    ReviewFinished,
    RoleText,
    RoleThinking,
    ToolFinished,
    ToolStarted,
    ValidationFinished,
)
from graph.publication import GateFinding
from graph.values import ChangedFile, CommandReport, Finding, Plan
from tests.support.page.browser import Tab
from tests.support.page.page_world import PageWorld
from tests.support.page.replayed_runs import Replayed, finished, started, visit

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

HTML = (
    "<img src=https://evil.example/x onerror=document.title='owned'><script>document.title='owned'"
    "</script><style>*{display:none}</style></pre></div><a href=javascript:owned>x</a>${owned}`"
)
BIDI = "abc\u202egnp.exe\u2066x\u2069\u200bz"
LINES = "one\ntwo\r\nthree\u2028four\u0085\x1b[31mfive\x00"
WORST = f"{HTML} {BIDI} {LINES}"
LONG = "x" * 60_000
TOUCHES = """() => [
  document.querySelectorAll('main script, main style, main img, main iframe').length,
  document.title.includes('owned'), getComputedStyle(document.body).display,
  [...document.querySelectorAll('a')].filter((a) => !/^(https?:)/.test(a.protocol)).length,
  document.documentElement.scrollWidth - innerWidth]"""


async def assert_is_text(tab: Tab) -> None:
    assert await tab.page.evaluate(TOUCHES) == [0, False, "block", 0, 0]
    shown = await tab.page.locator("main").inner_text()
    assert "\u202e" not in shown
    assert "\u2066" not in shown
    assert "\x1b" not in shown


def worst_events() -> list[Event]:
    """Each event with the worst in each of its texts."""
    plan = Plan(summary=WORST, steps=(WORST,), files=(WORST,), validate_=(WORST,))
    edit = {"command": "str_replace", "path": WORST, "old_str": WORST, "new_str": HTML}
    odd = {HTML: {BIDI: [LINES]}}
    report = CommandReport(
        command=WORST,
        folder=WORST,
        exit_code=1,
        status="failed",
        duration_ms=1,
        output=LONG + WORST,
        counts=WORST,
    )
    finding = Finding(severity="error", path=WORST, line=3, message=WORST)
    gate = GateFinding(severity="error", path=WORST, rule=HTML, message=WORST)
    said: list[Event] = [
        RoleText(role="coder", text=WORST),
        RoleText(role="coder", text=LONG),
        RoleThinking(role="coder", text=WORST),
        ToolStarted(role="coder", call_id="1", tool="bash", input={"command": WORST}),
        ToolFinished(
            role="coder", call_id="1", ok=False, output=LONG + WORST, exit_code=9, duration_ms=1
        ),
        ToolStarted(role="coder", call_id="2", tool="str_replace_based_edit_tool", input=edit),
        ToolFinished(role="coder", call_id="2", ok=False, output=WORST, duration_ms=1),
        ToolStarted(role="coder", call_id=HTML, tool=HTML, input=odd),
        ToolStarted(role="coder", call_id="4", tool="bash", input=[WORST]),
        Retry(what=WORST, attempt=1, wait_ms=1, reason=WORST),
        ChangeUpdated(digest=HTML, files=(ChangedFile(path=WORST, added=1, removed=1),)),
        ValidationFinished(
            status="failed", commands=(report,), new_failures=(WORST,), known_failures=(WORST,)
        ),
        ReviewFinished(verdict="request_changes", summary=WORST, findings=(finding,)),
        GateFinished(passed=False, findings=(gate,)),
        PrCreated(url="javascript:owned", number=1, branch=WORST, draft=False),
        NodeFinished(node="code", visit=1, outcome="ok", duration_ms=1, notes=(WORST,)),
    ]
    planned: list[Event] = [PlanReady(plan_id="p", plan=plan), PlanWaiting(plan_id="p", plan=plan)]
    return [*started(), *visit("plan", planned), *visit("code", said, ends=False)]


@pytest.mark.parametrize("width", [360, 1280])
async def test_everything_that_a_run_says_is_text(world: PageWorld, width: int) -> None:
    run = Replayed(prompt=WORST + LONG[:20_000], events=worst_events(), status="waiting")
    run_id = await world.replay(Replayed(**vars(run) | {"plan_id": "p", "owner": HTML}))
    async with world.tab(f"runs/{run_id}", width=width, height=2_000) as tab:
        await tab.page.locator(".plan.asks").wait_for()
        await tab.page.get_by_role("button", name="All of it").click()
        folded = tab.page.locator(".run-main .fold-head[aria-expanded=false]")
        await folded.first.wait_for()
        for _ in range(await folded.count()):
            await folded.first.click()
        await assert_is_text(tab)
        assert "\u2039202E\u203agnp.exe" in await tab.page.locator("main").inner_text()
        if width < 1080:
            await tab.page.get_by_role("tab", name="Details").click()
            await assert_is_text(tab)
        await tab.go("")
        await tab.page.locator(".row").first.wait_for()
        await assert_is_text(tab)
        await tab.go(f"new?repo={HTML}&prompt={HTML}&model={HTML}".replace("#", ""))
        await assert_is_text(tab)
        await tab.go(f"runs/{HTML}")
        await assert_is_text(tab)
        await tab.go("constructor/__proto__")
        await assert_is_text(tab)


async def test_what_is_not_drawn_is_shown_by_its_code(world: PageWorld) -> None:
    hidden = "\u00ad\u034f\u115f\u180e\u2065\u3164\ufe00\U000e0041\U000e0100"
    kept = "\u0645\u06cc\u200c\u062e \u2764\ufe0f \U0001f469\u200d\U0001f4bb\t\n"
    async with world.tab() as tab:
        shown = await tab.page.evaluate(
            "async (text) => (await import('/assets/app/model/safe_text.js')).safeText(text)",
            hidden + kept,
        )
    codes = "".join(f"\u2039{ord(each):04X}\u203a" for each in hidden)
    assert shown == codes + kept


async def test_a_change_of_ten_megabytes_is_shown_in_parts(world: PageWorld) -> None:
    name = '"b/od\\303\\244 \\"n\\n\\342\\200\\256x"'
    head = f'diff --git "a/od" {name}\nnew file mode 100644\n--- /dev/null\n+++ {name}\n'
    many = "".join(f"+{number} {HTML}\n" for number in range(48_000))
    wide = f"diff --git a/w b/w\n--- a/w\n+++ b/w\n@@ -0,0 +1 @@\n+{'y' * 1_000_000}\n"
    diff = f"{head}@@ -0,0 +1,48000 @@\n{many}{wide}".encode()
    assert len(diff) > 10_000_000
    events = [*started(), finished("cancelled")]
    run_id = await world.replay(Replayed(prompt="p", events=events, status="cancelled"))
    world.keep_diff(run_id, diff)
    async with world.tab(f"runs/{run_id}?tab=change") as tab:
        file = tab.page.get_by_role("button", name='od\u00e4 "n \u23ce \u2039202E\u203ax')
        await file.wait_for()
        assert "+48000" in await file.inner_text()
        await file.click()
        assert await tab.page.locator(".line").count() < 1_000
        await tab.page.get_by_role("button", name="Show more").click()
        assert 1_000 < await tab.page.locator(".line").count() < 5_000
        assert await tab.page.evaluate(TOUCHES) == [0, False, "block", 0, 0]
