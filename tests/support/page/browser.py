"""Debian's Chromium, driven over its debugging protocol; no browser is downloaded."""

import base64
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import pytest

AXE: Final = Path(__file__).parents[2] / "api" / "page" / "axe-core" / "axe.min.js"
Scheme = Literal["light", "dark"]
_FLAGS: Final = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
_LISTEN: Final = """
window.policyViolations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.policyViolations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});
"""
_RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_AXE_RUN: Final = """async (rules) => {
  const found = await axe.run(document, { runOnly: rules });
  const say = (node) => [...node.any, ...node.all, ...node.none][0]?.message;
  const tell = (node) => `${node.html.slice(0, 160)} | ${say(node)}`;
  const nodes = (each) => each.nodes.slice(0, 3).map(tell).join(" ;; ");
  return found.violations.map((each) => `${each.id}: ${nodes(each)}`);
}"""


def chromium() -> str:
    """The path of the browser; skips where there is none, which fails where changes are checked."""
    path = shutil.which("chromium")
    reason = "" if path else "chromium is not installed: apt-get install chromium"
    try:
        import playwright  # noqa: F401
    except ImportError:
        reason = "playwright is not installed: make clean test-slow"
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason or path is None:
        pytest.skip(reason)
    return path


@dataclass
class Tab:
    """One page of one window, and what it did that it should not."""

    page: Any
    address: str
    faults: list[str] = field(default_factory=list)

    async def go(self, screen: str = "") -> None:
        """Open a screen by its hash."""
        await self.page.goto(f"{self.address}/#/{screen}")
        await self.page.locator("main").wait_for()

    async def wait_for_value(self, label: str, value: str) -> None:
        """Return once the field of this label holds it."""
        from playwright.async_api import expect

        await expect(self.page.get_by_label(label)).to_have_value(value)

    async def violations(self) -> list[str]:
        """What axe finds, one line a rule."""
        if not await self.page.evaluate("typeof axe !== 'undefined'"):
            await self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found: list[str] = await self.page.evaluate(_AXE_RUN, _RULES)
        return found

    async def webp(self) -> bytes:
        """A small picture of the window."""
        session = await self.page.context.new_cdp_session(self.page)
        wanted = {"format": "webp", "quality": 82}
        answer = await session.send("Page.captureScreenshot", wanted)
        return base64.b64decode(answer["data"])

    async def heap_mb(self) -> float:
        """Megabytes of JavaScript objects after a collection of garbage."""
        session = await self.page.context.new_cdp_session(self.page)
        await session.send("HeapProfiler.enable")
        await session.send("HeapProfiler.collectGarbage")
        used = await session.send("Runtime.getHeapUsage")
        return float(used["usedSize"]) / 1e6


@dataclass
class Browser:
    """A running browser."""

    process: Any

    @asynccontextmanager
    async def tab(
        self, address: str, *, width: int = 1280, height: int = 900, scheme: Scheme = "light"
    ) -> AsyncIterator[Tab]:
        """A window of its own. Its faults are none at its end."""
        context = await self.process.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            reduced_motion="reduce",
        )
        try:
            await context.add_init_script(_LISTEN)
            page = await context.new_page()
            tab = Tab(page, address)
            page.on("pageerror", lambda error: tab.faults.append(f"error: {error}"))
            page.on("request", lambda request: _note_foreign(tab, request.url))
            yield tab
            tab.faults += await page.evaluate("window.policyViolations")
            assert tab.faults == []
        finally:
            # A handler that is at work as the window closes fails in whichever test comes next.
            for each in context.pages:
                await each.unroute_all(behavior="ignoreErrors")
            await context.close()


def _note_foreign(tab: Tab, url: str) -> None:
    if urlsplit(url).netloc != urlsplit(tab.address).netloc:
        tab.faults.append(f"request to {url[:200]}")


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    """A headless browser until the end."""
    path = chromium()
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        process = await playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        try:
            yield Browser(process)
        finally:
            await process.close()
