"""A process that starts a run, prints its id, and serves runs until SIGTERM."""

import asyncio
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

from tests.standins.services.run_service import House, started

CODE = f"from {__name__} import main; main()"
"""Its words: the data folder, and what is asked for, in JSON. `clock_s` sets its clock ahead;
without `pick_up` it drives that run alone."""


def main() -> None:
    asyncio.run(serve(Path(sys.argv[1]), json.loads(sys.argv[2])))


def set_clock_by(seconds: float) -> None:
    """Let the wall clock of this process be that much ahead."""
    now, now_ns = time.time, time.time_ns
    time.time = lambda: now() + seconds
    time.time_ns = lambda: now_ns() + round(seconds * 1e9)


async def serve(folder: Path, request: dict[str, Any]) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    set_clock_by(request.pop("clock_s", 0.0))
    async with House(folder).open(pick_up=request.pop("pick_up", True)) as service:
        sys.stdout.write(f"{await started(service, **request)}\n")
        sys.stdout.flush()
        await stop.wait()
