"""The whole job on the bundled sample: every part is real but Claude's replies, and GitHub."""

from typing import Final

from api.terminal.display import console_for
from demo.environment import Draw, open_stage
from demo.pull_request_view import show_pull_request
from demo.script.sample_repository import REQUEST, make_sample
from demo.temporary_folder import temporary_folder
from wiring import load_settings

_ABOUT: Final = {
    False: "Git, sandbox, tests and HTTP are real. GitHub is a local forge.\n"
    "Claude's replies are replayed: nothing is spent.",
    True: "Git, sandbox, tests, HTTP and Claude are real. GitHub is a local forge.",
}


async def run_demo(*, live: bool, diff: bool, draw: Draw) -> int:
    """Turn the sample's request into a pull request and show it; the exit code of the run."""
    console = console_for()
    console.print(_ABOUT[live], style="dim", soft_wrap=True)
    with temporary_folder() as folder:
        sample = make_sample(folder / "sample")
        async with open_stage(folder, sample, load_settings(), live=live) as stage:
            code = await stage.run(REQUEST, draw)
            if pull := stage.forge.pull:
                branches = (pull["base"]["ref"], pull["head"]["ref"])
                counts = await stage.diff(*branches, "--shortstat")
                change = await stage.diff(*branches) if diff else ""
                show_pull_request(console, pull, counts, change)
            return code
