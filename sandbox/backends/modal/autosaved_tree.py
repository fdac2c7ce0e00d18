"""A tree that outlasts its sandbox: what is done in it is saved, and it is opened again from that.

Saved is when it is quiet after something was done, as at the end of a role's turn, and while
something goes on for long. What is done between is lost with the sandbox, and said to be.
"""

import asyncio
import contextlib
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Unpack

from graph import Base
from graph.errors import (
    CodingAgentError,
    PatchTooLarge,
    RepositoryError,
    SandboxLost,
    StoreError,
)
from sandbox.core.protocol import ExecResult, RunOptions, Sandbox, Saved, TreeRestored
from sandbox.tree.take_patch import take_change

log = logging.getLogger(__name__)

_MOST_LOSSES = 4
_LAST_SAVE_S = 5.0
_AGAIN_TIMES_QUIET = 5
_MAY_HAVE_RUN = "What was being done may have run in part, in the tree that is gone"

Reopen = Callable[[], Awaitable[tuple[Sandbox, str]]]
"""Opens the tree again and says what it holds. Raises SandboxError."""


class AutosavedTree(Sandbox):
    """One tree, in one sandbox after another."""

    def __init__(
        self,
        sandbox: Sandbox,
        reopen: Reopen,
        *,
        base: Base,
        saved: Saved | None,
        every_s: float = 60,
        quiet_s: float = 2,
    ) -> None:
        """Saves after `quiet_s` without a command, and at the latest `every_s` after one began."""
        self._sandbox = sandbox
        self._reopen = reopen
        self._base = base
        self._every_s = every_s
        self._quiet_s = quiet_s
        self._losses = 0
        self._message = ""
        self._busy = 0
        self._last_used = self._last_saved = time.monotonic()
        self._again_at = 0.0
        """Before that what could not be saved is not tried again."""
        self._unsaved = False
        self._digest = b""
        self._closed = False
        self._opening = asyncio.Lock()
        self._saved = saved
        self._saving = asyncio.create_task(self._save_now_and_then(saved)) if saved else None

    async def run(self, command: str, **options: Unpack[RunOptions]) -> ExecResult:
        started = time.monotonic()
        sandbox = self._sandbox
        with self._used():
            try:
                return await sandbox.run(command, **options)
            except SandboxLost as error:
                message = await self._open_again(sandbox, error)
        took = round((time.monotonic() - started) * 1000)
        return ExecResult(
            exit_code=None, output=message.encode(), dropped=0, duration_ms=took, lost=True
        )

    async def read(self, path: str, *, max_bytes: int = 1024 * 1024) -> bytes:
        sandbox = self._sandbox
        try:
            return await sandbox.read(path, max_bytes=max_bytes)
        except SandboxLost as error:
            raise TreeRestored(await self._open_again(sandbox, error)) from error

    async def write(self, path: str, data: bytes) -> None:
        sandbox = self._sandbox
        with self._used():
            try:
                await sandbox.write(path, data)
            except SandboxLost as error:
                raise TreeRestored(await self._open_again(sandbox, error)) from error

    async def close(self) -> None:
        """Save what was neither saved nor handed over, then end every process.

        The next may find no sandbox any more.
        """
        self._closed = True
        if self._saving and self._saved:
            self._saving.cancel()
            await asyncio.wait([self._saving])
            if self._unsaved and not self._saved.handed_over:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LAST_SAVE_S):
                        await self._save(self._saved)
        await self._sandbox.close()

    async def _open_again(self, lost: Sandbox, error: SandboxLost) -> str:
        """What to say of the tree now; who is the first to notice opens it again."""
        async with self._opening:
            if self._sandbox is lost:
                self._losses += 1
                if self._closed or self._losses > _MOST_LOSSES:
                    raise error
                log.warning("A sandbox was lost; its tree is opened again. %s", error.message)
                with contextlib.suppress(SandboxLost):
                    await lost.close()
                self._sandbox, holds = await self._reopen()
                self._message = (
                    f"The sandbox was lost. {holds} {_MAY_HAVE_RUN}: look before you go on."
                )
            return self._message

    @contextmanager
    def _used(self) -> Iterator[None]:
        self._unsaved = True
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1
            self._last_used, self._again_at = time.monotonic(), 0.0

    async def _save_now_and_then(self, saved: Saved) -> None:
        wanted = True
        while wanted:
            await asyncio.sleep(self._quiet_s / 2)
            now = time.monotonic()
            quiet = not self._busy and now - self._last_used >= self._quiet_s
            due = quiet or now - self._last_saved >= self._every_s
            if self._unsaved and due and now >= self._again_at:
                wanted = await self._save(saved)

    async def _save(self, saved: Saved) -> bool:
        """What cannot be taken now is tried again later; False where nothing may be kept."""
        self._unsaved = self._busy > 0
        self._last_saved = time.monotonic()
        try:
            patch = (await take_change(self._sandbox, self._base, name="saved")).patch
            digest = hashlib.sha256(patch).digest()
            if digest != self._digest:
                await saved.save(patch)
                self._digest = digest
        except asyncio.CancelledError:
            self._unsaved = True
            raise
        except PatchTooLarge as error:  # it stays so until more is done
            log.info("A tree's change cannot be saved as it is: %s", error.message)
        except (SandboxLost, RepositoryError, StoreError) as error:
            log.info("A tree's change cannot be saved now: %s", error.message)
            self._unsaved = True
            self._again_at = time.monotonic() + _AGAIN_TIMES_QUIET * self._quiet_s
        except CodingAgentError as error:
            log.warning("A tree's change is not saved any more: %s", error.message)
            return False
        return True


def restored_message(at: float) -> str:
    """Says of when a restored tree is."""
    clock = time.strftime("%H:%M:%S", time.gmtime(at))
    return (
        f"Its tree was made again as it was at {clock} UTC, {max(time.time() - at, 0):.0f} s ago."
    )
