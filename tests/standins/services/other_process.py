"""A run that another process drives."""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.standins.services import run_process
from tests.standins.services.run_service import House
from tests.support.command.warm_command import ROOT, WarmCommand


@asynccontextmanager
async def process_of(house: House, **request: Any) -> AsyncIterator[tuple[WarmCommand, str]]:
    """A process that drives a run which it has started, and the run's id."""
    process = await WarmCommand.started(
        str(house.folder),
        json.dumps(request),
        code=run_process.CODE,
        env={"PATH": os.environ["PATH"]},
        folder=ROOT,
        drives=True,
    )
    try:
        yield process, (await process.stdout.readline()).decode().strip()
    finally:
        process.kill()
        await process.communicate()
