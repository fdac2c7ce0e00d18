"""What a role has changed so far, kept in the run's folder for when its sandbox is lost."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from graph import ChangeRef
from graph.files import write_whole
from roles.worktree.write_fence import WriteFence
from sandbox import Saved


@dataclass
class ChangeBackup(Saved):
    """The whole change of one role call, written anew each time; only the newest call writes."""

    file: Path
    fence: WriteFence
    holds_key: Callable[[bytes], bool]
    handed_over: bool = False
    sandbox: str = ""
    """Where the tree is, empty where it lasts longer than a sandbox."""
    _notices: list[str] = field(default_factory=list)

    async def newest(self) -> tuple[bytes, float] | None:
        return await asyncio.to_thread(self._load)

    async def save(self, patch: bytes) -> None:
        if not await asyncio.to_thread(self.holds_key, patch):
            await asyncio.to_thread(self._write, patch)

    def hand_over(self, patch: bytes, keep: Callable[[], ChangeRef]) -> ChangeRef:
        """Keep the change of the role's end, here too: for a call that is made again. Blocks."""
        self.fence.check()
        ref = keep()
        write_whole(self.file, patch)
        self.fence.kept()
        self.handed_over = True
        return ref

    def opened(self, sandbox: str, message: str = "") -> None:
        self.sandbox = sandbox
        if message:
            self._notices.append(message)

    def take_notices(self) -> str:
        """What happened to the tree that the role has not read yet; mostly empty."""
        notices, self._notices = " ".join(self._notices), []
        return notices

    def _load(self) -> tuple[bytes, float] | None:
        try:
            with self.file.open("rb") as file:
                return file.read(), self.file.stat().st_mtime
        except FileNotFoundError:
            return None

    def _write(self, patch: bytes) -> None:
        self.fence.check()
        write_whole(self.file, patch)
        self.fence.kept()
