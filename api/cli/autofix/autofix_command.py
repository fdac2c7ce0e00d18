"""`autofix`: go on with a pull request until it is merged or green, without a public address."""

import asyncio
import sys
from typing import TYPE_CHECKING, Final, Literal

from api.exit_codes import FAILED
from api.terminal.text.safe_text import clean_line
from graph.errors import ForgeRateLimited, ForgeUnavailable

if TYPE_CHECKING:
    from wiring import Settings
    from wiring.watch import Seen

Until = Literal["merged", "green"]
LOOK_S: Final = 185.0
"""Three calls a look: fewer than sixty an hour while nothing happens."""


async def go_on(settings: "Settings", address: str, until: Until, *, look_s: float = LOOK_S) -> int:
    """0 once it is merged, or green where that is enough; 1 where it was closed.

    A forge that is away later than at the first look is waited for: runs are at work meanwhile.
    """
    from wiring import start_log
    from wiring.watch import open_watch

    start_log(settings, "warning")
    told = ""
    async with open_watch(settings, address) as opened:
        while True:
            try:
                pull = await opened.look()
            except (ForgeUnavailable, ForgeRateLimited) as away:
                if not told:
                    raise
                again = f"{away.message} It is asked again in {look_s:.0f} seconds."
                sys.stderr.write(clean_line(again) + "\n")
                await asyncio.sleep(look_s)
                continue
            if (news := _tell(pull)) != told:
                sys.stdout.write(clean_line(news) + "\n")
                sys.stdout.flush()
                told = news
            if not pull.open:
                return 0 if pull.merged else FAILED
            if until == "green" and pull.green:
                return 0
            await asyncio.sleep(look_s)


def _tell(pull: "Seen") -> str:
    if not pull.open:
        return f"#{pull.number} is {'merged' if pull.merged else 'closed'}."
    count = pull.checks
    checks = f"{count} {'check' if count == 1 else 'checks'}" if count else "no checks yet"
    if pull.failed:
        checks = f"{pull.failed} of {checks} failed"
    elif pull.ended and pull.passed < count:
        checks = f"{pull.passed} of {checks} passed"
    elif pull.ended:
        checks += " passed"
    work = "; a run is at work" if pull.busy else ""
    return f"#{pull.number} at {pull.head[:12]}: {checks}{work}."
