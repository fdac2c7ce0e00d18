"""A process of its own that serves runs until SIGTERM: `python -m tests.standins.run_process DATA`.

With `--start` it starts one run first. It prints `ready`, or the run's id.
"""

import asyncio
import json
import signal
import sys
from pathlib import Path

from tests.standins.run_services import House, started


async def main(folder: Path, request: str | None) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with House(folder).open() as service:
        told = await started(service, **json.loads(request)) if request else "ready"
        sys.stdout.write(f"{told}\n")
        sys.stdout.flush()
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None))
