"""A process that starts a run, prints its id, and serves runs until SIGTERM."""

import asyncio
import json
import signal
import sys
from pathlib import Path

from tests.standins.services.run_service import House, started

CODE = f"from {__name__} import main; main()"
"""Its words: the data folder, and what is asked for, in JSON."""


def main() -> None:
    asyncio.run(serve(Path(sys.argv[1]), json.loads(sys.argv[2])))


async def serve(folder: Path, request: dict[str, str]) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with House(folder).open() as service:
        sys.stdout.write(f"{await started(service, **request)}\n")
        sys.stdout.flush()
        await stop.wait()
