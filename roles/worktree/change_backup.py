"""What a role has changed so far, kept in the run's folder for when its sandbox is lost."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from graph.files import write_whole
from roles.worktree.write_fence import WriteFence
from sandbox import Saved


class ChangeBackup(Saved):
    """The whole change of one role call, written anew each time; only the newest call writes."""

    def __init__(self, file: Path, fence: WriteFence, holds_key: Callable[[bytes], bool]) -> None:
        self._file = file
        self._fence = fence
        self._holds_key = holds_key
        self._notices: list[str] = []

    async def newest(self) -> tuple[bytes, float] | None:
        return await asyncio.to_thread(self._load)

    async def save(self, patch: bytes) -> None:
        if not await asyncio.to_thread(self._holds_key, patch):
            await asyncio.to_thread(self._write, patch)

    def restored(self, message: str) -> None:
        self._notices.append(message)

    def take_notices(self) -> str:
        """What happened to the tree that the role has not read yet; mostly empty."""
        notices, self._notices = " ".join(self._notices), []
        return notices

    def _load(self) -> tuple[bytes, float] | None:
        try:
            with self._file.open("rb") as file:
                return file.read(), self._file.stat().st_mtime
        except FileNotFoundError:
            return None

    def _write(self, patch: bytes) -> None:
        self._fence.check()
        write_whole(self._file, patch)
        self._fence.kept()
