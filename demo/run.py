"""The whole job on the bundled sample: every part is real but Claude's replies, and GitHub."""

from dataclasses import dataclass
from typing import Final

from api.terminal.display import console_for
from demo.environment import Draw, Events, open_stage
from demo.script.sample_repository import REQUEST, make_sample
from demo.temporary_folder import temporary_folder
from wiring import load_settings

_ABOUT: Final = {
    False: "Git, sandbox, tests and HTTP are real; GitHub is a local forge, and Claude's replies "
    "are replayed, so nothing is spent.",
    True: "Git, sandbox, tests, HTTP and Claude are real; GitHub is a local forge.",
}


@dataclass
class _Noted:
    """What the demo needs to know of the events that pass."""

    pull_request: int | None = None

    async def passing(self, events: Events) -> Events:
        async for event in events:
            if event["type"] in ("pr.created", "pr.updated"):
                self.pull_request = event["number"]
            yield event


async def run_demo(*, live: bool, draw: Draw) -> int:
    """Turn the sample's request into a pull request and show it; the exit code of the run."""
    console = console_for()
    console.print(_ABOUT[live], style="dim", soft_wrap=True)
    with temporary_folder() as folder:
        sample, noted = make_sample(folder / "sample"), _Noted()
        async with open_stage(folder, sample, load_settings(), live=live) as stage:
            code = await stage.run(REQUEST, lambda events: draw(noted.passing(events)))
            if noted.pull_request is not None:
                found = await stage.pull_request(noted.pull_request, folder / "clone")
                found.show(console)
            return code
