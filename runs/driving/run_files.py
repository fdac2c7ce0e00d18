"""The files of runs that their life needs, wherever the folder of all runs is."""

import asyncio
from pathlib import Path
from typing import Protocol

from graph.files import map_full_disk
from runs.driving import run_folder_files as folder
from runs.model.run_id import RUN_ID


class RunFiles(Protocol):
    """What is kept of runs beside their records."""

    async def newest_diff(self, run_id: str) -> bytes | None:
        """The diff of the newest change that has one."""
        ...

    async def write_message(self, run_id: str, number: int, text: str) -> None:
        """Leave a message for the run's roles."""
        ...

    async def remove_leftovers(self, run_id: str) -> None:
        """Remove what a killed process had not finished; only for who holds the run."""
        ...

    async def remove(self, run_id: str) -> None:
        """Remove all files of a run."""
        ...

    async def unchanged_since(self, before: float) -> list[str]:
        """Ids of folders unchanged since then, some of which may belong to no run any more."""
        ...


class LocalRunFiles:
    """Files below a folder of this machine."""

    def __init__(self, runs: Path) -> None:
        self._runs = runs

    async def newest_diff(self, run_id: str) -> bytes | None:
        return await asyncio.to_thread(folder.newest_diff, self._runs, run_id)

    async def write_message(self, run_id: str, number: int, text: str) -> None:
        with map_full_disk():
            await asyncio.to_thread(folder.write_message, self._runs, run_id, number, text)

    async def remove_leftovers(self, run_id: str) -> None:
        await asyncio.to_thread(folder.remove_leftovers, self._runs, run_id)

    async def remove(self, run_id: str) -> None:
        await asyncio.to_thread(folder.remove, self._runs, run_id)

    async def unchanged_since(self, before: float) -> list[str]:
        return await asyncio.to_thread(_find_old_folders, self._runs, before)


def _find_old_folders(runs: Path, before: float) -> list[str]:
    if not runs.is_dir():
        return []
    return [
        path.name
        for path in runs.iterdir()
        if RUN_ID.fullmatch(path.name) and _is_older(path, before)
    ]


def _is_older(path: Path, before: float) -> bool:
    """One that has gone meanwhile is not."""
    try:
        return path.stat().st_mtime < before
    except FileNotFoundError:
        return False
