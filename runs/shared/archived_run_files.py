"""The files of runs for a process that has no folder of them: read from the archive."""

import time
from collections.abc import Awaitable, Callable, Collection

from runs.model.run_id import made_at
from runs.model.run_record import rfc3339
from runs.shared.backend import StorageBackend
from runs.shared.version_chain import message_note


class ArchivedRunFiles:
    """RunFiles of an archive; messages lie in a table, where roles look for them.

    `known` says which runs have a record: asked at once for all, where each would cost a call.
    """

    def __init__(
        self, backend: StorageBackend, known: Callable[[], Awaitable[Collection[str]]]
    ) -> None:
        self._backend = backend
        self._known = known

    async def newest_diff(self, run_id: str) -> bytes | None:
        folder = f"runs/{run_id}/diffs"
        names = await self._backend.archive.names(folder)
        diffs = [name for name in names if name[0] != "." and name.endswith(".diff")]
        return await self._backend.archive.read(f"{folder}/{max(diffs)}") if diffs else None

    async def write_message(self, run_id: str, number: int, text: str) -> None:
        message = {"text": text, "time": rfc3339(time.time())}
        await self._backend.changes.put(message_note(run_id, number), message)

    async def remove_leftovers(self, run_id: str) -> None:
        """Only who drives a run tidies its folder."""

    async def remove(self, run_id: str) -> None:
        await self._backend.archive.remove(f"runs/{run_id}")

    async def unchanged_since(self, before: float) -> list[str]:
        """Those that were started before then, as far as no record of theirs is known."""
        names = await self._backend.archive.names("runs")
        old = [name for name in names if 0 < made_at(name) < before]
        known = await self._known() if old else ()
        return [name for name in old if name not in known]
