"""Folders for what is needed for a moment."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from os import PathLike
from pathlib import Path

from graph.calls import acquire, to_the_end


@asynccontextmanager
async def temporary_folder(prefix: str, parent: Path | None = None) -> AsyncIterator[Path]:
    """For this user alone, gone at the end; what writes to it on a thread ends before the block."""
    make = partial(tempfile.mkdtemp, prefix=prefix, dir=parent)
    folder = Path(await acquire(asyncio.to_thread(make), _remove))
    try:
        yield folder
    finally:
        await to_the_end(_remove(folder))


async def _remove(folder: str | PathLike[str]) -> None:
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
