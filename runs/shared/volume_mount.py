"""Modal's Volume as a folder of this process: written, committed and reloaded one at a time."""

import asyncio
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from graph import RetryPolicy, retry
from graph.errors import StoreStale, StoreUnavailable
from graph.files import map_full_disk, write_whole
from runs.shared.modal_backend import modal_call
from runs.store.patience import outlast

_BUSY_POLICY: Final = RetryPolicy(attempts=8, first_s=0.05)
_AWAY_POLICY: Final = outlast(120.0)
"""What is to be handed over has been paid for."""
_OPEN_FILES: Final = "open files"
_VOLUME_S: Final = 300.0
"""A commit takes as long as what is new is large."""


class Volume(Protocol):
    """What is called of Modal's volume: each has an `aio` that may raise RuntimeError."""

    @property
    def commit(self) -> Any: ...

    @property
    def reload(self) -> Any: ...


Files = Mapping[str, tuple[int, ...]]
"""Files of a folder, and by what one shows that it was replaced."""


class VolumeMount:
    """A Mount of a Modal Volume. While it is reloaded nothing of ours is written."""

    def __init__(
        self,
        volume: Volume,
        root: Path,
        *,
        busy_policy: RetryPolicy = _BUSY_POLICY,
        away_policy: RetryPolicy = _AWAY_POLICY,
    ) -> None:
        self.root = root
        self._volume = volume
        self._busy_policy = busy_policy
        self._away_policy = away_policy
        self._lock = asyncio.Lock()
        self._committed: tuple[str, Files] = ("", {})
        """The run whose files are looked at, and those of it that are committed."""
        self._has_written = False
        """Whether files were given that no commit has followed."""

    async def write(self, files: Mapping[str, bytes]) -> None:
        async with self._lock:
            await self._write(files)

    async def keep(self, files: Mapping[str, bytes]) -> None:
        async with self._lock:
            await self._write(files)
            await self._commit()

    async def commit(self, run_id: str = "") -> None:
        async with self._lock:
            if run_id:
                self._committed = (run_id, {})
            await self._commit()

    async def commit_run(self, run_id: str) -> None:
        async with self._lock:
            found = await self._list_run(run_id)
            if self._has_written or (found and self._committed != (run_id, found)):
                self._committed = (run_id, {})
                await self._commit()

    async def reload(self) -> None:
        async with self._lock:
            run_id, committed = self._committed
            is_clean = committed == await self._list_run(run_id)
            try:
                await retry(self._reload, self._away_policy, on=StoreUnavailable)
            except RuntimeError as error:
                raise StoreStale(f"The Volume cannot be reloaded: {error}") from error
            if is_clean:
                self._committed = (run_id, await self._list_run(run_id))

    async def _write(self, files: Mapping[str, bytes]) -> None:
        self._has_written = True
        for name, data in files.items():
            await asyncio.to_thread(_write_file, self.root / name, data)

    async def _list_run(self, run_id: str) -> Files:
        """Files of a run as they are now; none where no run is looked at."""
        if not run_id:
            return {}
        return await asyncio.to_thread(_list_files, self.root / "runs" / run_id)

    async def _reload(self) -> None:
        """A file may be open for a moment more."""
        await retry(self._reload_once, self._busy_policy, on=RuntimeError)

    async def _reload_once(self) -> None:
        async with modal_call(_VOLUME_S):
            await self._volume.reload.aio()

    async def _commit(self) -> None:
        """What is written while it is under way may be in it or not, so it counts as not."""
        run_id = self._committed[0]
        found = await self._list_run(run_id)
        try:
            await retry(self._commit_patiently, self._busy_policy, on=RuntimeError)
        except RuntimeError as error:
            raise StoreUnavailable(f"The Volume cannot be committed: {error}") from error
        self._committed, self._has_written = (run_id, found), False

    async def _commit_patiently(self) -> None:
        await retry(self._commit_once, self._away_policy, on=StoreUnavailable)

    async def _commit_once(self) -> None:
        """Modal may reload after a commit: what is open keeps it from that alone."""
        async with modal_call(_VOLUME_S):
            try:
                await self._volume.commit.aio()
            except RuntimeError as error:
                if _OPEN_FILES not in str(error):
                    raise


def _write_file(path: Path, data: bytes) -> None:
    with map_full_disk():
        write_whole(path, data)


def _list_files(folder: Path) -> Files:
    """Whole files are added by rename, so that one that was replaced is another file.

    One that is written meanwhile may be listed by its temporary name and be gone: the next list
    has it by its own.
    """
    found = {}
    for path in _walk(folder):
        try:
            stat = path.lstat()
        except FileNotFoundError:
            continue
        found[str(path)] = (stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    return found


def _walk(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        for name in names:
            yield Path(parent, name)
