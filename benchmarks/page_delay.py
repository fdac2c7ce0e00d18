"""`python -m benchmarks.page_delay`: from an event's making to its picture on a run's screen.

The run has 100,000 events and is at work. After each pause of a second it is told something;
measured is the time until the frame after the one that draws it.
"""

import asyncio
import statistics
import time
from typing import Final

from demo.temporary_folder import temporary_folder
from graph.events import Event, RoleText
from runs.model import Caller
from tests.support.page.browser import open_browser
from tests.support.page.page_world import service_world
from tests.support.page.replayed_runs import Replayed, called, replay, started, visit

EVENTS: Final = 100_000
MESSAGES: Final = 20
PAUSE_S: Final = 1.0
_DRAWN: Final = """text => new Promise(done => {
  const now = () => performance.timeOrigin + performance.now();
  const look = () => {
    const timeline = document.querySelector("[role=region][aria-label=Timeline]");
    if (!timeline.textContent.includes(text)) return;
    watcher.disconnect();
    requestAnimationFrame(() => requestAnimationFrame(() => done(now())));
  };
  const watcher = new MutationObserver(look);
  watcher.observe(document.body, { subtree: true, childList: true, characterData: true });
  window.listening = text;
  look();
})"""


def work() -> list[Event]:
    """What the coder said and did so far."""
    done: list[Event] = []
    for number in range(EVENTS // 3):
        said = RoleText(role="coder", text=f"Step {number}.")
        done += [said, *called(number, f"sed -n {number}p file.py", f"output {number}")]
    return done


async def main() -> None:
    """Print the times in milliseconds."""
    caller = Caller("local", operator=True)
    events = [*started(), *visit("code", work(), ends=False)]
    run = Replayed(prompt="p", events=events, status="running")
    with temporary_folder() as folder:
        async with service_world(folder) as world, open_browser() as browser:
            run_id = await replay(world.store, run)
            async with browser.tab(world.address) as tab:
                await tab.go(f"runs/{run_id}")
                await tab.page.get_by_text(f"Step {EVENTS // 3 - 1}.").first.wait_for()
                took: list[float] = []
                for number in range(MESSAGES):
                    await asyncio.sleep(PAUSE_S)
                    text = f"Word {number} of {MESSAGES}."
                    drawn = asyncio.create_task(tab.page.evaluate(_DRAWN, text))
                    await tab.page.wait_for_function("text => window.listening === text", arg=text)
                    begun = time.time()
                    await world.service.message(run_id, caller, text)
                    took.append(await drawn - 1000 * begun)
                heap_mb = await tab.heap_mb()
    took.sort()
    ninth = took[int(0.9 * len(took))]
    print(
        f"{len(took)} events: median {statistics.median(took):.0f} ms, "
        f"nine of ten within {ninth:.0f} ms, most {took[-1]:.0f} ms; {heap_mb:.0f} MB of objects"
    )


if __name__ == "__main__":
    asyncio.run(main())
